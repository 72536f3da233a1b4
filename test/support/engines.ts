import type { PageDataHeadCodec } from "../../src/base/page-head.ts";
import { plainHeadCodec } from "./head-codec.ts";

/** A head codec under the name of what it belongs to. */
export interface NamedHeadCodec {
  readonly name: string;
  readonly codec: PageDataHeadCodec;
}

/** Every head codec that works on this machine; the first is the one to compare others with. */
export async function availableHeadCodecs(): Promise<readonly NamedHeadCodec[]> {
  return [{ name: "plain", codec: plainHeadCodec }];
}
