import { recordName } from "../../src/codec/record.ts";
import { LIBXC_RECORD } from "../../src/format/libxc.ts";
import { LIBXL_RECORD } from "../../src/format/libxl.ts";
import type { JsonObject } from "../../src/migration/inspect-json.ts";
import { RecordDescriber } from "../../src/migration/inspect-records.ts";
import { fixture } from "../support/fixtures.ts";
import { type Random, seededRandom } from "../support/splitmix32.ts";

/** A body, such as one that Xen wrote, and what record it is of. */
export interface DescribedBody {
  readonly layer: "libxl" | "libxc";
  readonly type: number;
  readonly body: Uint8Array;
}

/** Bodies that Xen wrote. */
export function describedBodies(): readonly DescribedBody[] {
  const libxc = (type: number, name: string) =>
    ({ layer: "libxc", type, body: fixture(name) }) as const;
  return [
    libxc(LIBXC_RECORD.HVM_CONTEXT, "hvm-context"),
    libxc(LIBXC_RECORD.HVM_PARAMS, "hvm-params"),
    libxc(LIBXC_RECORD.X86_CPUID_POLICY, "cpuid-policy"),
    libxc(LIBXC_RECORD.X86_MSR_POLICY, "msr-policy"),
    libxc(LIBXC_RECORD.X86_PV_VCPU_BASIC, "pv-vcpu-basic"),
    libxc(LIBXC_RECORD.SHARED_INFO, "shared-info"),
    {
      layer: "libxl",
      type: LIBXL_RECORD.EMULATOR_CONTEXT,
      body: fixture("emulator-context"),
    },
  ];
}

/**
 * Feeds damaged bodies to what describes records, each as its own type and as any other.
 *
 * Anything thrown is thrown again with the seed, and so is an answer that is no JSON or is out of
 * proportion to the body.
 */
export function fuzzDescribe(seed: number, bodyCount: number): { readonly errors: number } {
  const known = describedBodies();
  let errors = 0;
  for (let index = 0; index < bodyCount; index++) {
    const own = seed + index;
    const random = seededRandom(own);
    const { layer, type, body } = known[random.below(known.length)]!;
    const asType = random.below(4) === 0 ? random.below(20) : type;
    try {
      const found = describe({ layer, type: asType, body: damage(body, random) }, random);
      errors += "error" in found ? 1 : 0;
    } catch (error) {
      throw new Error(`seed ${own}: ${String(error)}`, { cause: error });
    }
  }
  return { errors };
}

/**
 * Describes a body, of a stream that may have said before what guest it is of.
 *
 * @throws Error the answer is no JSON, or out of proportion to the body.
 */
export function describe({ layer, type, body }: DescribedBody, random: Random): JsonObject {
  const describer = new RecordDescriber();
  const common = {
    kind: "record",
    layer,
    isOptional: false,
    isInferred: false,
    offset: 64,
    byteOrder: "little",
    padding: new Uint8Array(0),
  } as const;
  if (random.below(2) === 0) {
    const pvInfo = Uint8Array.of(random.below(2) === 0 ? 8 : 4, random.below(6), 0, 0, 0, 0, 0, 0);
    const info = { type: LIBXC_RECORD.X86_PV_INFO, name: "X86_PV_INFO", body: pvInfo };
    describer.describe({ ...common, layer: "libxc", ...info });
  }
  const found = describer.describe({ ...common, type, name: recordName(layer, type), body });
  const json = JSON.stringify(found);
  if (json.length > 4_000 + 400 * body.length) {
    throw new Error(`${json.length} octets of JSON for ${body.length}`);
  }
  if (JSON.stringify(JSON.parse(json)) !== json) {
    throw new Error("no JSON");
  }
  return found;
}

function damage(original: Uint8Array, random: Random): Uint8Array {
  const bytes = original.slice(
    0,
    random.below(3) === 0 ? random.below(original.length) : undefined,
  );
  for (let times = random.below(8); times > 0 && bytes.length > 0; times--) {
    const at = random.below(bytes.length);
    const extremes = [0, 1, 4, 0x7f, 0x80, 0xff, random.below(256)];
    bytes.fill(extremes[random.below(extremes.length)]!, at, at + 1 + random.below(8));
  }
  return bytes;
}
