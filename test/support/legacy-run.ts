import type { ByteSink } from "../../src/base/io.ts";

/** Keeps what is written to it. */
export class CollectingSink implements ByteSink {
  readonly chunks: Uint8Array[] = [];
  offset = 0;

  async write(...chunks: readonly Uint8Array[]): Promise<void> {
    for (const chunk of chunks) {
      this.chunks.push(chunk.slice());
      this.offset += chunk.length;
    }
  }

  async end(): Promise<void> {}

  async abort(): Promise<void> {}
}
