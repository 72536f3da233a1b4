import { MigrationError } from "../base/errors.ts";
import type { ByteSource } from "../base/io.ts";
import type { PageDataHeadCodec } from "../base/page-head.ts";
import type { StreamEvent } from "../codec/events.ts";
import { type PullOptions, pullEvents } from "../codec/pull.ts";
import type { Layer } from "../codec/steps.ts";
import type { PageEngine } from "../engine/types.ts";
import type { ImageSource } from "../transport/image-file.ts";
import { StreamVerifier, type VerifyResult } from "./stream-verifier.ts";
import { makePageChecker } from "./verify-check-pages.ts";
import { PageWalk } from "./verify-walk.ts";

/** How to read a stream to look at it. */
export interface ReadingOptions {
  readonly pageDataHead: PageDataHeadCodec;
  /** Called about once a MiB with the octets of the decompressed stream read so far. */
  readonly onProgress?: ((bytesRead: number) => void) | undefined;
  /** Checked at each record; its reason is thrown. Close the source to stop a read under way. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@link verifyStream}. */
export interface VerifyOptions extends ReadingOptions {
  /**
   * The engine that looks at every octet of memory. Without it only headers, lists of frames and
   * the other records are looked at, and of a seekable file read.
   */
  readonly deepBy?: PageEngine | undefined;
  /** The outermost format, where it is known; else the first octets say. */
  readonly format?: Layer | undefined;
  /** Called with each event, which is valid meanwhile. */
  readonly onEvent?: ((event: StreamEvent) => void) | undefined;
  /** Findings that are kept; the rest is counted. 100 unless said otherwise. */
  readonly findingsMax?: number | undefined;
}

/**
 * Verifies a stream and tells what is wrong with it.
 *
 * What is wrong is data, not an exception: also a stream that ends too early or is no image. Memory
 * goes with the guest's frames, an octet or (deep) five each, and not with the stream.
 *
 * @param source closing it is the caller's.
 * @throws MigrationError TRANSPORT_*; the signal's reason.
 */
export async function verifyStream(
  source: ByteSource | ImageSource,
  options: VerifyOptions,
): Promise<VerifyResult> {
  const verifier = new StreamVerifier(options);
  await verifyInto(verifier, source, options);
  return verifier.finish();
}

/**
 * Verifies a stream as {@link verifyStream} does, by a verifier that can be asked for more than its
 * result says, and has to be finished.
 *
 * @throws as {@link verifyStream}
 */
export async function verifyInto(
  verifier: StreamVerifier,
  source: ByteSource | ImageSource,
  options: VerifyOptions,
): Promise<void> {
  const walk = pageWalk(source, verifier, options);
  const format = options.format === undefined ? {} : { format: options.format };
  const takePages = walk && ((first: Parameters<PageWalk["take"]>[0]) => walk.take(first));
  try {
    for await (const event of watchedEvents(source, options, { ...format, takePages })) {
      options.onEvent?.(event);
      verifier.take(event);
    }
  } catch (error) {
    await failStream(error, { verifier, source, walk });
  }
  try {
    await walk?.finish();
  } catch (error) {
    await failStream(error, { verifier, source, walk });
  }
  await checkStartInfo(verifier, walk);
}

/** Tells that a stream cannot be read further. @throws what is not about a stream. */
async function failStream(
  error: unknown,
  parts: {
    readonly verifier: StreamVerifier;
    readonly source: ByteSource;
    readonly walk: PageWalk | undefined;
  },
): Promise<void> {
  const { verifier, source, walk } = parts;
  try {
    verifier.fail(streamError(error), source.offset);
  } catch (other) {
    await walk?.giveUp();
    throw other;
  }
}

/** Reads to inspect, to the very end, and keeps the caller informed. */
export async function* watchedEvents(
  source: ByteSource,
  options: ReadingOptions,
  pulling: Pick<PullOptions, "takePages" | "format"> = {},
): AsyncGenerator<StreamEvent, void, undefined> {
  const { pageDataHead, onProgress, signal } = options;
  let told = source.offset;
  const reading = { purpose: "inspect", afterEnd: "read", ...pulling } as const;
  for await (const event of pullEvents(source, pageDataHead, reading)) {
    signal?.throwIfAborted();
    yield event;
    if (source.offset - told >= PROGRESS_BYTES) {
      told = source.offset;
      onProgress?.(told);
    }
  }
  onProgress?.(source.offset);
}

/**
 * `error` if a stream is at fault; anything else is thrown again.
 *
 * @throws whatever is not about a stream.
 */
export function streamError(error: unknown): MigrationError {
  if (error instanceof MigrationError && /^(STREAM|RECORD|PAGE_DATA)_/.test(error.code)) {
    return error;
  }
  throw error;
}

const PROGRESS_BYTES = 1024 * 1024;

/**
 * What steps over pages instead of reading them: in a seekable file, unless they have to be looked
 * at and there are no threads to do it.
 */
function pageWalk(
  source: ByteSource | ImageSource,
  verifier: StreamVerifier,
  { pageDataHead, deepBy, signal, onProgress }: VerifyOptions,
): PageWalk | undefined {
  const { direct } = source;
  const { randomAccess: image, fileBytes } = "fileBytes" in source ? source : {};
  if (image === undefined || fileBytes === undefined || direct === undefined) {
    return undefined;
  }
  const checker = deepBy && makePageChecker(direct.fd, deepBy, signal);
  return deepBy !== undefined && checker === undefined
    ? undefined
    : new PageWalk({
        image,
        fileBytes,
        source,
        pageDataHead,
        verifier,
        checker,
        signal,
        onProgress,
      });
}

/** The page that a PV guest's start info is in names two more frames. */
async function checkStartInfo(verifier: StreamVerifier, walk: PageWalk | undefined): Promise<void> {
  const { startInfoPfn } = verifier;
  if (startInfoPfn === undefined) {
    return;
  }
  const page = (await walk?.readPage(startInfoPfn)) ?? verifier.startInfoPage(startInfoPfn);
  if (page !== undefined) {
    verifier.takeStartInfo(page);
  }
}
