import { assert } from "../base/assert.ts";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import type { StreamEvent } from "./events.ts";
import type { EndOfInput, PagesHandOver, PagesTaken, ReaderOptions } from "./steps.ts";
import { readStream } from "./stream-reader.ts";

/** How {@link pullEvents} reads. */
export interface PullOptions extends Omit<ReaderOptions, "handsOverPages"> {
  /**
   * Takes PAGE_DATA records from the source itself, which stands behind the first one's header,
   * and the header behind the last of them; or declines, once for all, with `undefined`. What it
   * throws ends the reading.
   */
  readonly takePages?: ((first: PagesHandOver) => Promise<PagesTaken | undefined>) | undefined;
}

/**
 * Reads a stream from `source`: takes from it what the stream has and no octet more.
 *
 * What an event refers to is valid until the next one. Closing the source is the caller's.
 *
 * @throws MigrationError as {@link readStream}, and TRANSPORT_* from the source.
 */
export async function* pullEvents(
  source: ByteSource,
  codec: PageDataHeadCodec,
  { takePages, ...options }: PullOptions = {},
): AsyncGenerator<StreamEvent, void, undefined> {
  const steps = readStream(codec, { ...options, handsOverPages: takePages !== undefined });
  let step = steps.next();
  while (step.done !== true) {
    const value = step.value;
    if (value.kind === "pages-hand-over") {
      assert(takePages !== undefined, "pages are handed over only to who can take them");
      step = steps.next(await takePages(value));
    } else if (value.kind !== "need") {
      yield value;
      step = steps.next();
    } else if (value.amount === "some") {
      step = steps.next((await source.some(value.byteCount)) ?? { availableBytes: 0 });
    } else {
      step = steps.next(await supply(source, value.byteCount));
    }
  }
}

/** Tells the reader, who knows what was being read, where the source ended. */
async function supply(source: ByteSource, byteCount: number): Promise<Uint8Array | EndOfInput> {
  try {
    return await source.exactly(byteCount);
  } catch (error) {
    if (!(error instanceof MigrationError) || error.code !== "STREAM_TRUNCATED") {
      throw error;
    }
    const { offset } = error.where;
    return { availableBytes: typeof offset === "number" ? offset - source.offset : 0 };
  }
}
