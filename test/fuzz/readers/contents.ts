import { MigrationError } from "../../../src/base/errors.ts";
import { decodeDigestFile, encodeDigestFile } from "../../../src/codec/digest-file.ts";
import { diffImages, withBothImages } from "../../../src/migration/diff/diff.ts";
import { EXPORT_FORMATS, exportMemory } from "../../../src/migration/export/export.ts";
import { join } from "../../support/bytes.ts";
import { plainHeadCodec } from "../../support/head-codec.ts";
import { CollectingSink } from "../../support/legacy-run.ts";
import { sourceOf } from "../../support/sources.ts";
import type { Random } from "../../support/splitmix32.ts";
import { streamSeeds } from "./seeds.ts";
import type { FuzzTarget } from "./targets.ts";

/** Digests of memory, in a file of their own. */
export function digestTarget(): FuzzTarget {
  const runs = [
    { firstPfn: 0, pageType: 0, frameCount: 3 },
    { firstPfn: 3, pageType: 12, frameCount: 1 },
    { firstPfn: 0xffff_ff00, pageType: 0, frameCount: 256 },
  ];
  const crcs = new Uint32Array(260).map((_, index) => index * 0x0101_0101);
  return {
    name: "digest file",
    seeds: [join(...encodeDigestFile({ guestType: 2, runs, crcs }))],
    read: (bytes) => {
      try {
        const table = decodeDigestFile(bytes);
        if (Buffer.compare(join(...encodeDigestFile(table)), bytes) !== 0) {
          throw new Error("written differently than read");
        }
        return "read";
      } catch (error) {
        const { code, where } = errorOf(error);
        return `${code} ${where.problem ?? ""}`;
      }
    },
  };
}

/** What is in a stream as `diff` and `export` see it: registers, page tables, frames. */
export function contentsTarget(): FuzzTarget {
  const seeds = streamSeeds("libxl");
  return {
    name: "contents",
    seeds,
    read: async (bytes, random) => {
      const [told, written] = [await compare(bytes, seeds[0]!), await write(bytes, random)];
      return `${told}, ${written}`;
    },
  };
}

async function compare(bytes: Uint8Array, other: Uint8Array): Promise<string> {
  const options = { pageDataHead: plainHeadCodec, parts: "all", ignore: ["clocks"] } as const;
  try {
    const images = { a: sourceOf(bytes), b: sourceOf(other) };
    const { isEqual } = await withBothImages(images, options, (both) => diffImages(both, options));
    return isEqual ? "equal" : "different";
  } catch (error) {
    return errorOf(error).code;
  }
}

async function write(bytes: Uint8Array, random: Random): Promise<string> {
  const format = EXPORT_FORMATS[random.below(EXPORT_FORMATS.length)]!;
  const isVirtual = format === "elf" && random.below(2) === 0;
  const sink = new NullSink();
  try {
    await exportMemory(sourceOf(bytes), {
      pageDataHead: plainHeadCodec,
      format,
      ...(isVirtual && { virtual: { root: { cr3: 0x1000n }, mode: "4-level" } }),
      openSink: async () => sink,
    });
    return `${format} written`;
  } catch (error) {
    return errorOf(error).code;
  }
}

/** Has holes, as a file has: a frame may be anywhere in 16 TiB. */
class NullSink extends CollectingSink {
  readonly direct = {
    fd: -1,
    isPositioned: true,
    advance: (byteCount: number) => {
      this.offset += byteCount;
    },
  };

  override async write(...chunks: readonly Uint8Array[]): Promise<void> {
    for (const { length } of chunks) {
      this.offset += length;
    }
  }
}

/** @throws Error it is not one of ours. */
function errorOf(error: unknown): MigrationError {
  if (!(error instanceof MigrationError)) {
    throw new Error("an error without a code", { cause: error });
  }
  return error;
}
