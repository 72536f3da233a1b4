import type { ByteSink, ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { StreamEncoder } from "../codec/stream-writer.ts";
import type { LegacySummary } from "../legacy/convert.ts";
import { throwIfInterrupted } from "./interruption.ts";
import { pullAnyVersion, type StreamVersion, type TakeLegacyOptions } from "./legacy.ts";
import { StreamUpgrade } from "./upgrade.ts";

/** How {@link convertStream} converts. */
export interface ConvertOptions extends Omit<TakeLegacyOptions, "onSummary"> {
  /** Closing it is the caller's. */
  readonly source: ByteSource;
  /** Ending it, or giving it up, is the caller's. */
  readonly sink: ByteSink;
  readonly pageDataHead: PageDataHeadCodec;
  /** Version of the stream; told by its first octets unless given. */
  readonly streamVersion?: StreamVersion | undefined;
  readonly signal: AbortSignal;
  /** Called after each batch of pages. */
  readonly onProgress?: ((progress: ConvertProgress) => void) | undefined;
}

/** How far a conversion is. */
export interface ConvertProgress {
  /** Octets of the stream, decompressed, that were read, and octets that were written. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Page entries written. */
  readonly pageEntries: number;
}

/** What was converted to what. */
export interface ConvertOutcome extends ConvertProgress {
  /** Of the stream that was read: 1 for a legacy one, else of libxc's image header. */
  readonly version: number;
  /** Only of a legacy stream. */
  readonly legacy: LegacySummary | undefined;
}

/**
 * Converts a stream to version 3 of Migration v2: a legacy one, or one with libxc's version 2. A
 * stream that is version 3 already is copied.
 *
 * Memory does not grow with the stream. Pages of Remus' checkpoints after the first wait in a
 * temporary file until their checkpoint is complete.
 *
 * @throws MigrationError LEGACY_*, STREAM_*, RECORD_*, PAGE_DATA_*, TRANSPORT_*,
 *   MIGRATION_INTERRUPTED
 */
export async function convertStream(options: ConvertOptions): Promise<ConvertOutcome> {
  const { source, sink, pageDataHead, streamVersion, signal, onProgress } = options;
  const encoder = new StreamEncoder(pageDataHead);
  const upgrade = new StreamUpgrade();
  let legacy: LegacySummary | undefined;
  let pageEntries = 0;
  const progress = () => ({
    bytesRead: source.offset,
    bytesWritten: sink.offset,
    pageEntries,
  });
  const onSummary = (summary: LegacySummary) => {
    legacy = summary;
  };
  const pulling = { streamVersion, legacy: { ...options, onSummary } };
  for await (const event of pullAnyVersion(source, pageDataHead, pulling)) {
    throwIfInterrupted(signal);
    for (const changed of upgrade.take(event)) {
      const chunks = encoder.encode(changed);
      await (chunks.length > 0 && sink.write(...chunks));
    }
    if (event.kind === "page-data") {
      pageEntries += event.pfns.length;
      onProgress?.(progress());
    }
  }
  const version = legacy === undefined ? (upgrade.version ?? 0) : 1;
  return { ...progress(), version, legacy };
}
