import { assert } from "../base/assert.ts";
import { ByteQueue } from "../base/byte-queue.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import type { StreamEvent } from "./events.ts";
import type { Need, ReaderOptions, Steps } from "./steps.ts";
import { readStream } from "./stream-reader.ts";

/** Reads a stream that is fed to it in chunks of any size. */
export class PushReader {
  readonly #steps: Steps<void>;
  readonly #onEvent: (event: StreamEvent) => void;
  readonly #queue = new ByteQueue();
  #need: Need | undefined;
  #failure: unknown;

  /** @param onEvent called from {@link write} and {@link end}; what it gets is valid meanwhile. */
  constructor(
    codec: PageDataHeadCodec,
    onEvent: (event: StreamEvent) => void,
    options: ReaderOptions = {},
  ) {
    this.#steps = readStream(codec, options);
    this.#onEvent = onEvent;
    this.#step(undefined);
  }

  /** Whether nothing more is wanted: the stream has ended and what follows is not to be read. */
  get isDone(): boolean {
    return this.#need === undefined;
  }

  /**
   * Takes a chunk, whose memory the caller may reuse afterwards.
   *
   * @returns octets of the chunk that belong to the stream: fewer than it has only at the end.
   * @throws MigrationError as {@link readStream}, again at each later call.
   */
  write(chunk: Uint8Array): number {
    this.#checkFailure();
    if (this.isDone) {
      return 0;
    }
    this.#queue.offer(chunk);
    this.#run();
    return this.isDone ? chunk.length - this.#queue.availableBytes : chunk.length;
  }

  /**
   * Says that no chunk will come.
   *
   * @throws MigrationError STREAM_TRUNCATED if more was needed.
   */
  end(): void {
    this.#checkFailure();
    this.#run();
    while (this.#need !== undefined) {
      this.#step({ availableBytes: this.#queue.availableBytes });
    }
  }

  #run(): void {
    while (this.#need !== undefined) {
      const { amount, byteCount } = this.#need;
      const bytes =
        amount === "all" ? this.#queue.take(byteCount) : this.#queue.takeSome(byteCount);
      if (bytes === undefined) {
        return;
      }
      this.#step(bytes);
    }
  }

  /** Answers the reader and passes events on until it needs something. */
  #step(answer: Parameters<Steps<void>["next"]>[0]): void {
    try {
      this.#need = undefined;
      let step = this.#steps.next(answer);
      while (step.done !== true && step.value.kind !== "need") {
        assert(step.value.kind !== "pages-hand-over", "what is pushed can not be taken elsewhere");
        assert(step.value.kind !== "legacy-hand-over", "what is pushed can not be taken elsewhere");
        this.#onEvent(step.value);
        step = this.#steps.next(undefined);
      }
      if (step.done !== true && step.value.kind === "need") {
        this.#need = step.value;
      }
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  #checkFailure(): void {
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
  }
}
