import type { DirectPipe } from "../../src/base/io.ts";
import { BufferedSource } from "../../src/transport/buffered-source.ts";
import type { ImageSource, RandomAccess } from "../../src/transport/image-file.ts";

/** A seekable image in memory, in chunks that lie anywhere, which counts what is read of it. */
export class ChunkedImage implements ImageSource {
  readonly compression = "none";
  readonly fileBytes: number;
  /** Octets handed out. */
  bytesRead = 0;
  readonly #chunks: readonly Uint8Array[];
  readonly #starts: readonly number[];
  #source: BufferedSource;

  constructor(chunks: readonly Uint8Array[]) {
    const starts: number[] = [];
    let end = 0;
    for (const { length } of chunks) {
      starts.push(end);
      end += length;
    }
    this.#chunks = chunks;
    this.#starts = starts;
    this.fileBytes = end;
    this.#source = this.#from(0);
  }

  get offset(): number {
    return this.#source.offset;
  }

  get fileOffset(): number {
    return this.offset;
  }

  get direct(): DirectPipe {
    const advance = (byteCount: number) => {
      this.#source = this.#from(this.offset + byteCount);
    };
    return { fd: -1, isPositioned: true, advance };
  }

  get randomAccess(): RandomAccess {
    return { readAt: async (offset, out) => this.#fill(offset, out) };
  }

  exactly(byteCount: number): Promise<Uint8Array> {
    return this.#source.exactly(byteCount);
  }

  some(byteCountMax: number): Promise<Uint8Array | undefined> {
    return this.#source.some(byteCountMax);
  }

  async close(): Promise<void> {}

  #from(offset: number): BufferedSource {
    return new BufferedSource(this.#pieces(offset), undefined, offset);
  }

  *#pieces(start: number): Generator<Uint8Array, void, undefined> {
    const piece = new Uint8Array(4096);
    for (let offset = start; offset < this.fileBytes; offset += piece.length) {
      const view = piece.subarray(0, Math.min(piece.length, this.fileBytes - offset));
      this.#fill(offset, view);
      yield view;
    }
  }

  #fill(offset: number, out: Uint8Array): void {
    let index = this.#starts.findLastIndex((start) => start <= offset);
    for (let done = 0; done < out.length; index++) {
      const at = offset + done - this.#starts[index]!;
      const part = this.#chunks[index]!.subarray(at, at + out.length - done);
      out.set(part, done);
      done += part.length;
    }
    this.bytesRead += out.length;
  }
}
