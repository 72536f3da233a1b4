import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import type { StreamEvent } from "../codec/events.ts";
import { type PullOptions, pullEvents } from "../codec/pull.ts";
import type { LegacyHandOver } from "../codec/steps.ts";
import type { PageKeeper } from "../legacy/checkpoint-pages.ts";
import { convertLegacy, type LegacySummary } from "../legacy/convert.ts";
import type { LegacyEvent } from "../legacy/events.ts";
import { pullLegacy } from "../legacy/pull.ts";
import type { LegacyReadOptions } from "../legacy/reader.ts";
import { PageStore } from "./page-store.ts";

/** Version of a stream: 1 is the legacy format, of Xen before 4.6; 2 is Migration v2. */
export type StreamVersion = 1 | 2;

/** How a legacy stream is read and what becomes of it. */
export interface TakeLegacyOptions extends LegacyReadOptions {
  readonly format: "libxl" | "libxc";
  /** Whether xl's header must be there, or must not; either is taken unless said. */
  readonly xlHeader?: "with" | "without" | undefined;
  readonly onEvent?: ((event: LegacyEvent) => void) | undefined;
  /** Told once the stream has been read. */
  readonly onSummary?: ((summary: LegacySummary) => void) | undefined;
}

/** How {@link pullAnyVersion} reads. */
export interface PullAnyOptions extends Omit<PullOptions, "takeLegacy" | "legacy"> {
  /** Told by the stream's first octets unless given. */
  readonly streamVersion?: StreamVersion | undefined;
  readonly legacy: TakeLegacyOptions;
}

/**
 * Reads a stream of Migration v2 or a legacy one, which is converted on the way: its events are
 * those of the converted stream, at the legacy stream's offsets.
 *
 * @throws MigrationError as `pullEvents` and `readLegacy`; LEGACY_NOT, LEGACY_XL_HEADER
 */
export async function* pullAnyVersion(
  source: ByteSource,
  codec: PageDataHeadCodec,
  { streamVersion, legacy, ...options }: PullAnyOptions,
): AsyncGenerator<StreamEvent, void, undefined> {
  let isLegacy = false;
  const pulling: PullOptions = {
    ...options,
    legacy: streamVersion === 1 ? "always" : "recognised",
    takeLegacy: (start) => {
      isLegacy = true;
      return takeLegacy(source, start, legacy);
    },
  };
  for await (const event of pullEvents(source, codec, streamVersion === 2 ? options : pulling)) {
    if (streamVersion === 1 && !isLegacy) {
      throw new MigrationError("LEGACY_NOT", { offset: 0, version: 2 });
    }
    yield event;
  }
}

async function* takeLegacy(
  source: ByteSource,
  start: LegacyHandOver,
  options: TakeLegacyOptions,
): AsyncGenerator<StreamEvent, void, undefined> {
  const { xlHeader, format, onEvent, onSummary } = options;
  const found = start.xl === undefined ? "without" : "with";
  if (xlHeader !== undefined && xlHeader !== found) {
    throw new MigrationError("LEGACY_XL_HEADER", { offset: 0, found, expected: xlHeader });
  }
  const { xl, ident, cursor } = start;
  const offset = cursor.offset - ident.length;
  const events = pullLegacy(source, start, options);
  const summary = yield* convertLegacy(events, { format, xl, offset, keepPages, onEvent });
  onSummary?.(summary);
}

async function keepPages(): Promise<PageKeeper> {
  const store = await PageStore.create();
  return {
    put: (page) => store.put(page, undefined),
    readAt: (place, out) => store.readAt(place, out),
    close: () => store.close(),
  };
}
