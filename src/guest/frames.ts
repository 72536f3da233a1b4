import { type ErrorFacts, MigrationError } from "../base/errors.ts";

/** Longest line of the control protocol, without its newline. */
export const CONTROL_LINE_BYTES_MAX = 1 << 16;

/** Largest payload after a line. */
export const CONTROL_PAYLOAD_BYTES_MAX = 1 << 26;

/** Takes what a {@link FrameReader} has read. What it throws ends the reading. */
export interface FrameHandler {
  /** Takes a line; returns where its payload goes, exactly as long as that is. */
  line(text: string): Uint8Array;
  /** The line taken last is complete, with its payload. */
  complete(): void;
}

/** Cuts a stream into frames of the control protocol: a line, and the octets it announces. */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #where: ErrorFacts;
  #lineStart: Buffer = Buffer.alloc(0);
  #payload: Uint8Array | undefined;
  #filledBytes = 0;

  constructor(handler: FrameHandler, where: ErrorFacts = {}) {
    this.#handler = handler;
    this.#where = where;
  }

  /** @throws MigrationError GUEST_PROTOCOL a line is too long; whatever the handler throws */
  take(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0) {
      rest = this.#payload === undefined ? this.#takeLine(rest) : this.#takePayload(rest);
    }
  }

  /** Consumes up to and including a newline; returns what follows. */
  #takeLine(chunk: Buffer): Buffer {
    const end = chunk.indexOf(0x0a);
    const line = Buffer.concat([this.#lineStart, end < 0 ? chunk : chunk.subarray(0, end)]);
    if (line.length > CONTROL_LINE_BYTES_MAX) {
      throw new MigrationError("GUEST_PROTOCOL", { ...this.#where, reason: "line too long" });
    }
    if (end < 0) {
      this.#lineStart = line;
      return chunk.subarray(chunk.length);
    }
    this.#lineStart = Buffer.alloc(0);
    this.#payload = this.#handler.line(line.toString("utf8"));
    this.#filledBytes = 0;
    this.#completeIfFilled();
    return chunk.subarray(end + 1);
  }

  #takePayload(chunk: Buffer): Buffer {
    const payload = this.#payload!;
    const taken = chunk.subarray(0, payload.length - this.#filledBytes);
    payload.set(taken, this.#filledBytes);
    this.#filledBytes += taken.length;
    this.#completeIfFilled();
    return chunk.subarray(taken.length);
  }

  #completeIfFilled(): void {
    if (this.#payload?.length === this.#filledBytes) {
      this.#payload = undefined;
      this.#handler.complete();
    }
  }
}

/**
 * How many octets a line announces after itself.
 *
 * @throws MigrationError GUEST_PROTOCOL not a number, or more than `bytesMax`
 */
export function payloadBytes(fields: ReadonlyMap<string, string>, bytesMax: number): number {
  const text = fields.get("bytes") ?? "0";
  const byteCount = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (!(byteCount <= bytesMax)) {
    throw new MigrationError("GUEST_PROTOCOL", { key: "bytes", value: text, bytesMax });
  }
  return byteCount;
}
