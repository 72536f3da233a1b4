import { assert } from "../base/assert.ts";
import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import type { StreamEvent } from "./events.ts";
import type {
  EndOfInput,
  LegacyHandOver,
  Need,
  PagesHandOver,
  PagesTaken,
  ReaderOptions,
} from "./steps.ts";
import { readStream } from "./stream-reader.ts";

/** How {@link pullEvents} reads. */
export interface PullOptions extends Omit<ReaderOptions, "handsOverPages" | "handsOverLegacy"> {
  /**
   * Takes PAGE_DATA records from the source itself, which stands behind the first one's header,
   * and the header behind the last of them; or declines, once for all, with `undefined`. What it
   * throws ends the reading.
   */
  readonly takePages?: ((first: PagesHandOver) => Promise<PagesTaken | undefined>) | undefined;
  /**
   * Reads a legacy stream from the source itself, which stands behind its first octets, and
   * yields the events of the stream it is converted to. Without it such a stream is refused.
   */
  readonly takeLegacy?: ((start: LegacyHandOver) => AsyncIterable<StreamEvent>) | undefined;
  /** Whether what has no header is taken for a legacy stream even if it does not look like one. */
  readonly legacy?: ReaderOptions["handsOverLegacy"];
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
  { takePages, takeLegacy, ...options }: PullOptions = {},
): AsyncGenerator<StreamEvent, void, undefined> {
  const steps = readStream(codec, {
    ...options,
    handsOverPages: takePages !== undefined,
    ...(takeLegacy && { handsOverLegacy: options.legacy ?? "recognised" }),
  });
  let step = steps.next();
  while (step.done !== true) {
    const value = step.value;
    if (value.kind === "pages-hand-over") {
      assert(takePages !== undefined, "pages are handed over only to who can take them");
      step = steps.next(await takePages(value));
    } else if (value.kind === "legacy-hand-over") {
      assert(takeLegacy !== undefined, "legacy streams are handed over only to who takes them");
      yield* takeLegacy(value);
      return;
    } else if (value.kind === "need") {
      step = steps.next(await answerNeed(source, value));
    } else {
      yield value;
      step = steps.next();
    }
  }
}

/** Gives a reader what it waits for, from `source`. @throws MigrationError TRANSPORT_* */
export async function answerNeed(
  source: ByteSource,
  { amount, byteCount }: Need,
): Promise<Uint8Array | EndOfInput> {
  return amount === "all"
    ? await supply(source, byteCount)
    : ((await source.some(byteCount)) ?? { availableBytes: 0 });
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
