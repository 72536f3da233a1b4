import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { StreamEvent } from "../codec/events.ts";
import type { PullOptions } from "../codec/pull.ts";
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

/**
 * Options of `pullEvents` by which it takes streams of that version, legacy ones converted on the
 * way; of both, told by their first octets, unless a version is given.
 */
export function legacyPulling(
  source: ByteSource,
  version: StreamVersion | undefined,
  options: TakeLegacyOptions,
): Pick<PullOptions, "takeLegacy" | "legacy"> {
  return version === 2
    ? {}
    : {
        takeLegacy: (start) => takeLegacy(source, start, options),
        legacy: version === 1 ? "always" : "recognised",
      };
}

/**
 * Checks that a stream that was said to be legacy is.
 *
 * @param event the first of its events.
 * @throws MigrationError LEGACY_NOT
 */
export function checkVersion(version: StreamVersion | undefined, isLegacy: boolean): void {
  if (version === 1 && !isLegacy) {
    throw new MigrationError("LEGACY_NOT", { offset: 0, version: 2 });
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
  const { xl } = start;
  const events = pullLegacy(source, start, options);
  const summary = yield* convertLegacy(events, { format, xl, keepPages, onEvent });
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
