import { loadNativeEngine } from "#dist/engine/native.js";
import { loadWasmEngine } from "#dist/engine/wasm.js";
import type { PageDataHeadCodec } from "../../../src/base/page-head.ts";
import { decodeCpuidPolicy, decodeMsrPolicy } from "../../../src/codec/bodies.ts";
import { cpuIdentity } from "../../../src/codec/cpu-policy.ts";
import { levelCpus } from "../../../src/migration/cpu-levels.ts";
import { fixture } from "../../support/fixtures.ts";
import { plainHeadCodec } from "../../support/head-codec.ts";
import type { Random } from "../../support/splitmix32.ts";
import { checkError, readAndCompare } from "../codec.fuzz.ts";
import { describe, describedBodies } from "../describe.fuzz.ts";
import { contentsTarget, digestTarget } from "./contents.ts";
import { readLegacyDamaged } from "./legacy.ts";
import { legacySeeds, streamSeeds } from "./seeds.ts";

/** A reader, and sound inputs of it. */
export interface FuzzTarget {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  /**
   * Reads an input.
   *
   * @returns in a word what came of it: inputs that come to something new go into the corpus.
   * @throws Error what must not be.
   */
  readonly read: (bytes: Uint8Array, random: Random) => string | Promise<string>;
}

/** Every reader of octets from elsewhere. */
export function fuzzTargets(): readonly FuzzTarget[] {
  return [
    streamTarget("xl"),
    streamTarget("libxl"),
    streamTarget("libxc"),
    { name: "legacy", seeds: legacySeeds(), read: readLegacyDamaged },
    ...bodyTargets(),
    policyTarget(),
    digestTarget(),
    contentsTarget(),
    headTarget("native", loadNativeEngine()),
    headTarget("wasm", loadWasmEngine()),
  ];
}

function streamTarget(layer: "xl" | "libxl" | "libxc"): FuzzTarget {
  return {
    name: layer,
    seeds: streamSeeds(layer),
    read: (bytes, random) => {
      const { isReadable, codes } = readAndCompare(bytes, random);
      return `${isReadable ? "read" : "broken off"} ${[...new Set(codes)].slice(0, 2).join(" ")}`;
    },
  };
}

/** Bodies of records by name: HVM_CONTEXT, policies, vCPUs, the device model's state. */
function bodyTargets(): readonly FuzzTarget[] {
  return describedBodies().map(({ layer, type, body }) => ({
    name: `${layer} body ${type}`,
    seeds: [body],
    read: (bytes, random) => {
      const found = describe({ layer, type, body: bytes }, random);
      const { error } = found as { readonly error?: { readonly code: string } };
      return error?.code ?? `described, ${Object.keys(found).length} fields`;
    },
  }));
}

/** Policies as `cpuid` uses them. */
function policyTarget(): FuzzTarget {
  const msrs = fixture("msr-policy");
  const place = { offset: 64, layer: "libxc", byteOrder: "little" } as const;
  return {
    name: "cpu levels",
    seeds: [fixture("cpuid-policy")],
    read: (bytes) => {
      try {
        const leaves = decodeCpuidPolicy({ ...place, body: bytes });
        const known = { leaves, msrs: decodeMsrPolicy({ ...place, body: msrs }) };
        const level = levelCpus([
          { kind: "hvm", ...known },
          { kind: "pv", ...known, msrs: undefined },
        ]);
        return `${cpuIdentity(known).vendor.length} ${level.removed.length}`;
      } catch (error) {
        checkError(error, Number.POSITIVE_INFINITY);
        return error.code;
      }
    },
  };
}

/** Pfn words of any content, decoded by an engine and by what is slow and obvious. */
function headTarget(engine: "native" | "wasm", codec: PageDataHeadCodec): FuzzTarget {
  const words = new BigUint64Array(600).map((_, index) => BigInt(index) | (BigInt(index) << 60n));
  return {
    name: `pfn words, ${engine}`,
    seeds: [new Uint8Array(words.buffer)],
    read: (bytes) => {
      const whole = bytes.slice(0, bytes.length - (bytes.length % 8));
      const [found, plain] = [decodeHead(codec, whole), decodeHead(plainHeadCodec, whole)];
      if (Buffer.compare(found, plain) !== 0) {
        throw new Error("the engine decodes something else");
      }
      return `decoded ${Math.min(9, Math.floor(found.length / 5 / 64))}`;
    },
  };
}

/** The columns of the words before one that is refused. */
function decodeHead(codec: PageDataHeadCodec, words: Uint8Array): Uint8Array {
  const pfns = new Uint32Array(words.length / 8);
  const types = new Uint8Array(words.length / 8);
  const count = codec.decodePageDataHead(words, pfns, types);
  return Buffer.concat([new Uint8Array(pfns.buffer, 0, 4 * count), types.subarray(0, count)]);
}
