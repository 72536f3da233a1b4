import { Deferred } from "../base/deferred.ts";
import { MigrationError } from "../base/errors.ts";
import type { PagesHandOver, PagesTaken } from "../codec/steps.ts";
import { LIBXC_RECORD, RECORD_HEADER_BYTES } from "../format/libxc.ts";
import {
  decodeIterationEnd,
  ITERATION_END_BYTES,
  type IterationEnd,
  OWN_RECORD,
} from "../format/own.ts";
import type { Connection } from "../transport/connection.ts";

/** Takes a run of PAGE_DATA from the connection; absent or declining where that cannot be. */
export type PageTaker = ((first: PagesHandOver) => Promise<PagesTaken | undefined>) | undefined;

interface Parts {
  /** Its number, for errors. */
  readonly channel: number;
  readonly connection: Connection;
  readonly takePages: PageTaker;
}

interface Header {
  readonly offset: number;
  readonly type: number;
  readonly bodyBytes: number;
}

/** Reads one channel besides the main one: PAGE_DATA, and an ITERATION_END for each iteration. */
export class ChannelReader {
  readonly #parts: Parts;
  #reached = new Deferred<number>();
  #released = new Deferred<void>();
  #running: Promise<void> = Promise.resolve();
  #taking: Promise<unknown> = Promise.resolve();
  #pages = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Page entries with data, so far. */
  get pages(): number {
    return this.#pages;
  }

  /** Octets read, so far. */
  get bytes(): number {
    return this.#parts.connection.source.offset;
  }

  /**
   * Reads until the channel ends.
   *
   * @throws MigrationError RECORD_*, PAGE_DATA_*, GUEST_*, STREAM_TRUNCATED, TRANSPORT_*
   */
  run(): Promise<void> {
    this.#running = this.#run();
    return this.#running;
  }

  /**
   * Waits until this iteration has ended here.
   *
   * @throws MigrationError as `run`; TRANSPORT_CHANNEL
   */
  async reach(iteration: number): Promise<void> {
    const reached = await this.#reached.promise;
    if (reached !== iteration) {
      const { channel } = this.#parts;
      throw new MigrationError("TRANSPORT_CHANNEL", { channel, iteration, reached });
    }
  }

  /** Lets the channel go on with the next iteration; after `reach`. */
  release(): void {
    const released = this.#released;
    this.#reached = new Deferred();
    this.#released = new Deferred();
    released.resolve();
  }

  /** Waits until no page is being stored; none will be once taking pages has been cancelled. */
  async idle(): Promise<void> {
    await this.#taking.catch(() => undefined);
  }

  /** Ends it; resolves when nothing is under way any more. */
  async close(): Promise<void> {
    this.#released.reject(new MigrationError("TRANSPORT_LOST", { closed: true }));
    await this.#parts.connection.close();
    await this.#running.catch(() => undefined);
  }

  async #run(): Promise<void> {
    try {
      for (let header = await this.#header(); header !== undefined; header = await this.#header()) {
        const { iteration } = await this.#iteration(header);
        const { promise } = this.#released;
        this.#reached.resolve(iteration);
        await promise;
      }
      const { channel } = this.#parts;
      this.#reached.reject(new MigrationError("TRANSPORT_CHANNEL", { channel, ended: true }));
    } catch (error) {
      this.#reached.reject(error);
      throw error;
    }
  }

  /** The next record's header; `undefined` where the channel has ended. */
  async #header(): Promise<Header | undefined> {
    const { source } = this.#parts.connection;
    const { offset } = source;
    const first = await source.some(1);
    if (first === undefined) {
      return undefined;
    }
    const start = first.slice();
    const bytes = Buffer.concat([start, await source.exactly(RECORD_HEADER_BYTES - 1)]);
    return { offset, type: bytes.readUInt32LE(0), bodyBytes: bytes.readUInt32LE(4) };
  }

  /** Takes what comes up to the end of an iteration. */
  async #iteration(first: Header): Promise<IterationEnd> {
    const { connection, takePages } = this.#parts;
    let header = first;
    while (isPageData(header.type)) {
      const taking = takePages?.({ kind: "pages-hand-over", byteOrder: "little", ...header });
      this.#taking = Promise.resolve(taking);
      const taken = await taking;
      if (taken === undefined) {
        throw this.#unexpected(header);
      }
      this.#pages += taken.dataPages;
      const offset = connection.source.offset - RECORD_HEADER_BYTES;
      header = { offset, type: taken.nextType, bodyBytes: taken.nextBodyBytes };
    }
    if (header.type !== OWN_RECORD.ITERATION_END || header.bodyBytes !== ITERATION_END_BYTES) {
      throw this.#unexpected(header);
    }
    return decodeIterationEnd(await connection.source.exactly(ITERATION_END_BYTES))!;
  }

  #unexpected({ offset, type, bodyBytes }: Header): MigrationError {
    const { channel } = this.#parts;
    return new MigrationError("TRANSPORT_CHANNEL", { channel, offset, type, bodyBytes });
  }
}

function isPageData(type: number): boolean {
  return type === LIBXC_RECORD.PAGE_DATA || type === OWN_RECORD.PAGE_DATA_ZSTD;
}
