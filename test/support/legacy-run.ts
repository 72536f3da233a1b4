import type { ByteSink } from "../../src/base/io.ts";
import {
  type ConvertOptions,
  type ConvertOutcome,
  convertStream,
} from "../../src/migration/convert.ts";
import { join } from "./bytes.ts";
import { plainHeadCodec } from "./head-codec.ts";
import { sourceOf } from "./sources.ts";

/** Keeps what is written to it. */
export class CollectingSink implements ByteSink {
  readonly chunks: Uint8Array[] = [];
  offset = 0;

  async write(...chunks: readonly Uint8Array[]): Promise<void> {
    for (const chunk of chunks) {
      this.chunks.push(chunk.slice());
      this.offset += chunk.length;
    }
  }

  async end(): Promise<void> {}

  async abort(): Promise<void> {}
}

/** What a conversion came to. */
export interface Converted {
  readonly bytes: Uint8Array;
  readonly outcome: ConvertOutcome;
}

/** How tests convert: to libxl's format, everything else found out. */
export type Changes = Partial<Omit<ConvertOptions, "source" | "sink" | "pageDataHead">>;

/** Converts octets that come in chunks of `chunkBytes`. */
export async function convertBytes(
  bytes: Uint8Array,
  changes: Changes = {},
  chunkBytes = 65_536,
): Promise<Converted> {
  const sink = new CollectingSink();
  const outcome = await convertStream({
    source: sourceOf(bytes, () => chunkBytes),
    sink,
    pageDataHead: plainHeadCodec,
    format: "libxl",
    signal: new AbortController().signal,
    ...changes,
  });
  return { bytes: join(...sink.chunks), outcome };
}

/** Code and place of what converting fails with; `undefined` if it does not. */
export async function failureOf(
  bytes: Uint8Array,
  changes: Changes = {},
): Promise<{ readonly code: string; readonly where: object } | undefined> {
  try {
    await convertBytes(bytes, changes);
    return undefined;
  } catch (error) {
    return error as { readonly code: string; readonly where: object };
  }
}
