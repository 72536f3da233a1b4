import type { PageDataHeadCodec } from "../base/page-head.ts";
import { type EngineChoice, selectEngine } from "../engine/select.ts";
import type { PageEngine } from "../engine/types.ts";

/** What is seldom needed of an engine where Xen's add-on moves the pages. */
type Needed = PageDataHeadCodec & Pick<PageEngine, "orBitmap">;

/**
 * An engine that is loaded when it is needed, for xl waits while a helper starts: the pages of
 * Xen's guests pass it by, so most jobs are done before that.
 */
export class LateEngine implements Needed {
  readonly #choice: EngineChoice;
  #engine: PageEngine | undefined;

  /**
   * @param atOnce loads it now: it would be needed while the guest stands still. So is one that was
   *   asked for by name.
   * @throws MigrationError ENGINE_UNAVAILABLE, ENGINE_UNKNOWN; so do the members.
   */
  constructor(choice: EngineChoice, { atOnce }: { readonly atOnce: boolean }) {
    this.#choice = choice;
    if (atOnce || choice !== "auto") {
      this.load();
    }
  }

  load(): PageEngine {
    this.#engine ??= selectEngine(this.#choice).engine;
    return this.#engine;
  }

  encodePageDataHead(pfns: Uint32Array, types: Uint8Array, out: Uint8Array): number {
    return this.load().encodePageDataHead(pfns, types, out);
  }

  decodePageDataHead(words: Uint8Array, outPfns: Uint32Array, outTypes: Uint8Array): number {
    return this.load().decodePageDataHead(words, outPfns, outTypes);
  }

  orBitmap(into: Uint8Array, from: Uint8Array): number {
    return this.load().orBitmap(into, from);
  }
}
