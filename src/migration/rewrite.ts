import type { MigrationError } from "../base/errors.ts";
import type { ByteSink, ByteSource } from "../base/io.ts";
import { pullEvents } from "../codec/pull.ts";
import type { PageEngine } from "../engine/types.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import type { ConvertProgress } from "./convert.ts";
import type { FieldChange, FieldEdit } from "./fields.ts";
import { throwIfInterrupted } from "./interruption.ts";
import { batchPages } from "./rewrite-batch.ts";
import { foldStream } from "./rewrite-fold.ts";
import { RewriteOutput } from "./rewrite-output.ts";
import { type AddedRecord, addOptional, dropOptional, upgradeVersion } from "./rewrite-records.ts";
import { dropAlignment, type Stage, type StreamEvents } from "./rewrite-stage.ts";
import { elideZeros } from "./rewrite-zeros.ts";
import { setFields } from "./set-fields.ts";
import type { VerifyResult } from "./stream-verifier.ts";

/** What is to become of a stream. What is not said stays as it is. */
export interface RewriteChanges {
  /** Set in this order, before all else. */
  readonly fields?: readonly FieldEdit[] | undefined;
  /** libxc's version 2 becomes version 3. */
  readonly version?: "upgrade" | undefined;
  /** Each frame once, with its last page; no pages to compare, and no checkpoints. */
  readonly memory?: "fold" | undefined;
  /** Pages of zeros of frames for which nothing else was sent before go without data. */
  readonly zeroPages?: "elide" | undefined;
  /** Entries of a PAGE_DATA at most: 1 to 1024. */
  readonly batchPages?: number | undefined;
  /** Pages start at multiples of 4096 of the output. */
  readonly layout?: "aligned" | undefined;
  readonly optionalRecords?: "drop" | undefined;
  readonly addedRecords?: readonly AddedRecord[] | undefined;
}

/** How {@link rewriteStream} rewrites. */
export interface RewriteOptions {
  /** Closing it is the caller's. With random access nothing has to be kept beside it. */
  readonly source: ByteSource & { readonly randomAccess?: RandomAccess | undefined };
  /** At offset 0. Ending it, or giving it up, is the caller's. */
  readonly sink: ByteSink;
  readonly engine: PageEngine;
  readonly changes: RewriteChanges;
  /** `accepted` (default): fails rather than write what `verify` would not accept. */
  readonly writes?: "accepted" | "all" | undefined;
  readonly signal: AbortSignal;
  /** Called after each batch of pages, read or written. */
  readonly onProgress?: ((progress: ConvertProgress) => void) | undefined;
}

/** What was read and written. */
export interface RewriteOutcome {
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly pageEntriesRead: number;
  readonly pageEntriesWritten: number;
  /** Fields that were set. */
  readonly fields: readonly FieldChange[];
  /** What ended the reading behind the last whole checkpoint, if something did. */
  readonly discarded: MigrationError | undefined;
  /** What `verify --deep` says of the result. */
  readonly verified: VerifyResult;
}

/**
 * Writes the same guest as an image with other properties. Without changes it is the same octets.
 *
 * Memory does not grow with the stream, but with the guest's frames: some octets each, up to a
 * hundred to fold. To fold what has no random access its pages go to a temporary file.
 *
 * @throws MigrationError STREAM_*, RECORD_*, PAGE_DATA_*, REWRITE_REFUSED, CHECKPOINT_TOO_LONG,
 *   FIELD_*, USAGE_ARGUMENT, TRANSPORT_*, MIGRATION_INTERRUPTED
 */
export async function rewriteStream(options: RewriteOptions): Promise<RewriteOutcome> {
  const { source, sink, engine, changes, writes = "accepted", signal, onProgress } = options;
  const alignsPages = changes.layout === "aligned";
  const output = new RewriteOutput({ sink, engine, alignsPages, writes });
  let pageEntriesRead = 0;
  const fields: FieldChange[] = [];
  let discarded: MigrationError | undefined;
  const progress = () => {
    const [bytesRead, bytesWritten] = [source.offset, sink.offset];
    onProgress?.({ bytesRead, bytesWritten, pageEntries: pageEntriesRead });
  };
  async function* read(): StreamEvents {
    const reading = { purpose: "inspect", afterEnd: "read" } as const;
    for await (const event of pullEvents(source, engine, reading)) {
      throwIfInterrupted(signal);
      yield event;
      if (event.kind === "page-data") {
        pageEntriesRead += event.pfns.length;
        progress();
      }
    }
  }
  const onDiscarded = (error: MigrationError) => {
    discarded = error;
  };
  const onChange = (change: FieldChange) => fields.push(change);
  const parts = { engine, image: source.randomAccess, onDiscarded, onChange };
  const stages = stagesOf(changes, parts);
  for await (const event of stages.reduce((events, stage) => stage(events), read())) {
    throwIfInterrupted(signal);
    await output.take(event);
    if (event.kind === "page-data") {
      progress();
    }
  }
  return {
    bytesRead: source.offset,
    bytesWritten: sink.offset,
    pageEntriesRead,
    pageEntriesWritten: output.pageEntries,
    fields,
    discarded,
    verified: output.finish(),
  };
}

/** What turns the events as they are read into those that are written, in order. */
function stagesOf(
  changes: RewriteChanges,
  parts: {
    readonly engine: PageEngine;
    readonly image: RandomAccess | undefined;
    readonly onDiscarded: (error: MigrationError) => void;
    readonly onChange: (change: FieldChange) => void;
  },
): readonly Stage[] {
  const { fields = [], addedRecords = [], batchPages: pagesMax } = changes;
  const stages: (Stage | false)[] = [
    fields.length > 0 && ((events) => setFields(events, fields, parts.onChange)),
    changes.optionalRecords === "drop" && dropOptional,
    changes.version === "upgrade" && upgradeVersion,
    changes.memory === "fold" && ((events) => foldStream(events, parts)),
    changes.zeroPages === "elide" && ((events) => elideZeros(events, parts.engine)),
    pagesMax !== undefined && ((events) => batchPages(events, pagesMax)),
    changes.layout === "aligned" && dropAlignment,
    addedRecords.length > 0 && ((events) => addOptional(events, addedRecords)),
  ];
  return stages.filter((stage) => stage !== false);
}
