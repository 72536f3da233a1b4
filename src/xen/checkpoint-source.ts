import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource, DirectPipe } from "../base/io.ts";
import {
  LIBXC_RECORD,
  paddedBytes,
  RECORD_BYTES_MAX,
  RECORD_HEADER_BYTES,
} from "../format/libxc.ts";
import { DescriptorSource } from "../transport/descriptor-source.ts";
import type { PumpAddon } from "../transport/pump-addon.ts";

/** Octets that are passed on at once. */
const CHUNK_BYTES = 1 << 20;

/**
 * A libxc stream in which nothing behind a checkpoint is handed out until the next one is there:
 * what was received of a checkpoint whose sender died would be half a guest.
 *
 * It is handed out as it comes until {@link receive} is called for the first time, by whoever was
 * handed a CHECKPOINT; from then on, what that has received is handed out after {@link handOut}.
 * What waits lies in a file without a name in the folder for temporary files.
 */
export class CheckpointSource implements ByteSource {
  readonly #pump: PumpAddon;
  readonly #live: DescriptorSource;
  /** What is handed out. */
  #current: DescriptorSource;
  /** What was received last. */
  #received: DescriptorSource | undefined;
  #isClosed = false;

  /**
   * @param fd of a socket or pipe that nothing else reads meanwhile; duplicated.
   * @throws MigrationError TRANSPORT_OPEN
   */
  constructor(pump: PumpAddon, fd: number) {
    this.#pump = pump;
    this.#live = new DescriptorSource(pump, fd);
    this.#current = this.#live;
  }

  get offset(): number {
    return this.#current.offset;
  }

  get direct(): DirectPipe | undefined {
    return this.#current.direct;
  }

  exactly(byteCount: number): Promise<Uint8Array> {
    return this.#current.exactly(byteCount);
  }

  some(byteCountMax: number): Promise<Uint8Array | undefined> {
    return this.#current.some(byteCountMax);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([this.#live, this.#current, this.#received].map((one) => one?.close()));
  }

  /**
   * Receives all records up to and with the next CHECKPOINT, and no octet behind it.
   *
   * @param bytesMax what a checkpoint may have.
   * @throws MigrationError where it does not come: STREAM_TRUNCATED, TRANSPORT_LOST,
   *   RECORD_TOO_LONG, CHECKPOINT_TOO_LONG, CHECKPOINT_NONE
   */
  async receive(bytesMax: number): Promise<void> {
    const name = path.join(tmpdir(), `xenferry-checkpoint-${process.pid}`);
    const file = new AppendedFile(openSync(name, "wx+", 0o600));
    try {
      unlinkSync(name);
      await this.#receiveInto(file, bytesMax);
      await this.#received?.close();
      this.#received = new DescriptorSource(this.#pump, file.fd);
    } finally {
      closeSync(file.fd);
    }
  }

  /** Hands out what was received. */
  async handOut(): Promise<void> {
    const used = this.#current;
    this.#current = this.#received ?? used;
    this.#received = undefined;
    if (used !== this.#live) {
      await used.close();
    }
    if (this.#isClosed) {
      await this.#current.close();
    }
  }

  async #receiveInto(file: AppendedFile, bytesMax: number): Promise<void> {
    let type: number | undefined;
    while (type !== LIBXC_RECORD.CHECKPOINT) {
      const { offset } = this.#live;
      const header = (await this.#live.exactly(RECORD_HEADER_BYTES)).slice();
      const view = new DataView(header.buffer);
      const bodyBytes = view.getUint32(4, true);
      type = view.getUint32(0, true);
      const bytes = file.bytes + header.length + paddedBytes(bodyBytes);
      checkRecord({ offset, type, bodyBytes, bytes, bytesMax });
      file.append(header);
      await this.#passOn(file, paddedBytes(bodyBytes));
    }
  }

  async #passOn(file: AppendedFile, byteCount: number): Promise<void> {
    for (let left = byteCount; left > 0; ) {
      const octets = await this.#live.exactly(Math.min(left, CHUNK_BYTES));
      file.append(octets);
      left -= octets.length;
    }
  }
}

interface ReceivedRecord {
  readonly offset: number;
  readonly type: number;
  readonly bodyBytes: number;
  /** Of the checkpoint, with this record. */
  readonly bytes: number;
  readonly bytesMax: number;
}

/** @throws MigrationError RECORD_TOO_LONG, CHECKPOINT_TOO_LONG, CHECKPOINT_NONE */
function checkRecord({ offset, type, bodyBytes, bytes, bytesMax }: ReceivedRecord): void {
  const layer = "libxc";
  if (type === LIBXC_RECORD.END) {
    throw new MigrationError("CHECKPOINT_NONE", { offset, layer });
  }
  if (bodyBytes > RECORD_BYTES_MAX) {
    const facts = { offset, layer, bodyBytes, bodyBytesMax: RECORD_BYTES_MAX };
    throw new MigrationError("RECORD_TOO_LONG", facts);
  }
  if (bytes > bytesMax) {
    throw new MigrationError("CHECKPOINT_TOO_LONG", { offset, layer, bytes, bytesMax });
  }
}

/** A file that is written to its end while its descriptor stays at the start, for who reads it. */
class AppendedFile {
  readonly fd: number;
  #bytes = 0;

  constructor(fd: number) {
    this.fd = fd;
  }

  get bytes(): number {
    return this.#bytes;
  }

  append(octets: Uint8Array): void {
    for (let at = 0; at < octets.length; ) {
      const written = writeSync(this.fd, octets, at, octets.length - at, this.#bytes);
      at += written;
      this.#bytes += written;
    }
  }
}
