import assert from "node:assert/strict";
import type { StreamEvent } from "../../src/codec/events.ts";
import { pullEvents } from "../../src/codec/pull.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import type { PageEngine } from "../../src/engine/types.ts";
import { inspectStream } from "../../src/migration/inspect.ts";
import {
  type RewriteChanges,
  type RewriteOptions,
  type RewriteOutcome,
  rewriteStream,
} from "../../src/migration/rewrite.ts";
import type { VerifyResult } from "../../src/migration/stream-verifier.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { join } from "./bytes.ts";
import { ChunkedImage } from "./chunked-image.ts";
import { collectEvents } from "./events.ts";
import { CollectingSink } from "./legacy-run.ts";
import { sourceOf } from "./sources.ts";

const reference = createReferenceEngine();

/** What rewriting came to. */
export interface Rewritten {
  readonly bytes: Uint8Array;
  readonly outcome: RewriteOutcome;
}

/** How else tests rewrite. */
export type RewriteWays = Partial<Pick<RewriteOptions, "writes" | "engine" | "source">>;

/** Rewrites octets that come in small chunks and cannot be read again. */
export async function rewriteBytes(
  bytes: Uint8Array,
  changes: RewriteChanges = {},
  ways: RewriteWays = {},
): Promise<Rewritten> {
  const sink = new CollectingSink();
  const outcome = await rewriteStream({
    source: sourceOf(bytes, () => 5000),
    sink,
    engine: reference,
    changes,
    signal: new AbortController().signal,
    ...ways,
  });
  return { bytes: new Uint8Array(Buffer.concat(sink.chunks)), outcome };
}

/** What `verify` says: by the index, and of every octet, which have to tell the same. */
export async function verdictOn(
  bytes: Uint8Array,
  engine: PageEngine = reference,
): Promise<VerifyResult> {
  const index = await verifyStream(new ChunkedImage([bytes]), { pageDataHead: engine });
  const deep = await verifyStream(sourceOf(bytes), { pageDataHead: engine, deepBy: engine });
  assert.equal(index.summary.isAccepted, deep.summary.isAccepted);
  return deep;
}

/** The digest that `inspect` makes of the memory. */
export async function memoryDigest(
  bytes: Uint8Array,
  engine: PageEngine = reference,
): Promise<string | undefined> {
  const image = new ChunkedImage([bytes]);
  const { memory_sha256 } = await inspectStream(image, { pageDataHead: engine });
  return memory_sha256;
}

/** All records but PAGE_DATA, and the headers, as text: what rewriting memory must not touch. */
export async function stateOf(bytes: Uint8Array): Promise<readonly string[]> {
  const options = { purpose: "inspect", afterEnd: "read" } as const;
  const lines: string[] = [];
  for await (const event of pullEvents(sourceOf(bytes), reference, options)) {
    lines.push(...linesOf(event));
  }
  return lines;
}

function linesOf(event: StreamEvent): readonly string[] {
  switch (event.kind) {
    case "record": {
      const { layer, type, byteOrder, body, padding, isInferred } = event;
      const octets = Buffer.from(join(body, padding)).toString("hex");
      return isInferred ? [] : [`${layer} ${type} ${byteOrder} ${octets}`];
    }
    case "xl-header":
    case "libxl-header":
    case "image-header":
    case "domain-header":
      return [`${event.kind} ${JSON.stringify({ ...event.header, config: undefined })}`];
    default:
      return [];
  }
}

/** Numbers of entries of each PAGE_DATA. */
export async function batchesOf(bytes: Uint8Array): Promise<readonly (readonly number[])[]> {
  const events = await collectEvents(bytes, { purpose: "inspect", afterEnd: "read" });
  return events.flatMap((event) => (event.kind === "page-data" ? [[...event.pfns]] : []));
}

/** All combinations of changes to how memory is told. */
export function memoryChanges(): readonly RewriteChanges[] {
  const choices = <Value>(...values: readonly Value[]) => [undefined, ...values];
  return choices("fold" as const).flatMap((memory) =>
    choices("elide" as const).flatMap((zeroPages) =>
      choices(1, 7, 512, 1024).flatMap((batchPages) =>
        choices("aligned" as const).map((layout) => ({ memory, zeroPages, batchPages, layout })),
      ),
    ),
  );
}
