import type { ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import { pullEvents } from "../codec/pull.ts";
import type { ImageSource } from "../transport/image-file.ts";
import { FieldReader } from "./field-reader.ts";
import type { FieldChange, FieldEdit } from "./fields.ts";
import type { StreamEvents } from "./rewrite-stage.ts";
import { setFields } from "./set-fields.ts";
import { StreamVerifier } from "./stream-verifier.ts";
import { PageWalk } from "./verify-walk.ts";

/** What fields are looked for in: of a file with random access pages are not read. */
export interface FieldSource {
  readonly source: ByteSource | ImageSource;
  readonly pageDataHead: PageDataHeadCodec;
  readonly signal: AbortSignal;
}

/** A field and what it holds. */
export interface ListedField {
  readonly path: string;
  readonly value: string | number;
}

/**
 * All fields that are stored in an image and can be set, in its order.
 *
 * @throws MigrationError STREAM_*, RECORD_TOO_LONG, TRANSPORT_*; the signal's reason
 */
export async function* listFields(from: FieldSource): AsyncGenerator<ListedField, void, undefined> {
  const reader = new FieldReader();
  for await (const event of stateEvents(from)) {
    for (const { path, value, isWhole } of reader.enter(event)(event)) {
      if (isWhole !== true) {
        yield { path, value };
      }
    }
  }
}

/**
 * Tells what setting fields would change, before anything is written.
 *
 * @throws MigrationError FIELD_*, and as {@link listFields}
 */
export async function tryEdits(
  from: FieldSource,
  edits: readonly FieldEdit[],
): Promise<readonly FieldChange[]> {
  const changes: FieldChange[] = [];
  for await (const _event of setFields(stateEvents(from), edits, (one) => changes.push(one)));
  return changes;
}

/** The events of an image; where its pages can be stepped over, without them. */
async function* stateEvents({ source, pageDataHead, signal }: FieldSource): StreamEvents {
  const walk = pageWalk({ source, pageDataHead, signal });
  const takePages = walk && ((first: Parameters<PageWalk["take"]>[0]) => walk.take(first));
  const reading = { purpose: "inspect", takePages } as const;
  for await (const event of pullEvents(source, pageDataHead, reading)) {
    signal.throwIfAborted();
    yield event;
  }
}

/** Steps over pages, with a verifier that nobody asks for its findings. */
function pageWalk({ source, pageDataHead, signal }: FieldSource): PageWalk | undefined {
  const { randomAccess: image, fileBytes } = "fileBytes" in source ? source : {};
  if (image === undefined || fileBytes === undefined || source.direct === undefined) {
    return undefined;
  }
  const unused = { checker: undefined, onProgress: undefined };
  const verifier = new StreamVerifier({ findingsMax: 0 });
  return new PageWalk({ image, fileBytes, source, pageDataHead, verifier, signal, ...unused });
}
