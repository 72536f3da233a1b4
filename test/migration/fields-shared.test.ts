import { describe, expect, test } from "vitest";
import { type Inspection, inspectStream } from "../../src/migration/inspect.ts";
import type { Json } from "../../src/migration/inspect-json.ts";
import { listFields } from "../../src/migration/list-fields.ts";
import { ChunkedImage } from "../support/chunked-image.ts";
import { enginesUnderTest } from "../support/engines.ts";
import { rewriteBytes } from "../support/rewrite-run.ts";
import { NO_SHARED, sharedImage, sharedImages } from "../support/shared.ts";

const names = sharedImages();
const { engine } = enginesUnderTest().engines[0]!;
const title = names.length === 0 ? `real streams of Xen (skipped: ${NO_SHARED})` : "real streams";

/** Keys and indexes of a path: `timers[0].config`. libxl has a key with a dot in it. */
function partsOf(path: string): readonly string[] {
  const parts = path.replace(/\btype\.(?=pv|hvm)/, "type:").split(/[.[\]]+/);
  return parts.filter((part) => part !== "").map((part) => part.replace("type:", "type."));
}

function at(value: Json | undefined, parts: readonly string[]): Json | undefined {
  return parts.reduce<Json | undefined>(
    (inner, part) => (inner as Record<string, Json> | undefined)?.[part],
    value,
  );
}

/** The one of a list that has all of `wanted`. */
function one(list: Json | undefined, wanted: Record<string, Json>): Json | undefined {
  return (list as readonly Json[]).find((item) =>
    Object.entries(wanted).every(([name, value]) => at(item, [name]) === value),
  );
}

/** What `inspect --json` has of a field; of what it shows otherwise, `undefined`. */
function inspected(inspection: Inspection, path: string): Json | undefined {
  const record = (name: string, wanted: Record<string, Json> = {}) =>
    one(inspection.details, { name, ...wanted });
  const [, root = "", rest = ""] = /^([a-z0-9-]+)\.?(.*)$/.exec(path) ?? [];
  const parts = partsOf(rest);
  const [first = "", second = "", ...others] = parts;
  switch (root) {
    case "xl":
    case "libxc":
      return at(inspection as unknown as Json, [root, ...parts]);
    case "pv":
      return at(record("X86_PV_INFO"), parts);
    case "p2m":
      return at(record("X86_PV_P2M_FRAMES"), parts);
    case "tsc":
      return at(record("X86_TSC_INFO"), parts);
    case "params":
      return at(one(at(record("HVM_PARAMS"), ["params"]), { name: first }), ["value"]);
    case "msr":
      return at(one(at(record("X86_MSR_POLICY"), ["msrs"]), { msr: first }), [second]);
    case "cpuid": {
      const [leaf = "", subleaf] = first.split(":");
      const wanted = { leaf, subleaf: subleaf === undefined ? null : Number(subleaf) };
      return at(one(at(record("X86_CPUID_POLICY"), ["leaves"]), wanted), [second]);
    }
    case "hvm": {
      const entries = at(record("HVM_CONTEXT"), ["entries"]);
      const fields = at(one(entries, { type: first, instance: Number(second) }), ["fields"]);
      return others[0] === "msrs"
        ? at(one(at(fields, ["msrs"]), { msr: others[1] ?? "" }), ["value"])
        : at(fields, others);
    }
    case "vcpus":
      return vcpuField(record, Number(first), parts.slice(1));
    case "shared-info":
      return first === "vcpu_info"
        ? at(one(at(record("SHARED_INFO"), [first]), { vcpu: Number(second) }), others)
        : at(record("SHARED_INFO"), parts);
    case "emulator":
      return at(record("EMULATOR_CONTEXT"), parts);
    default:
      return undefined;
  }
}

function vcpuField(
  record: (name: string, wanted: Record<string, Json>) => Json | undefined,
  vcpu: number,
  [first = "", ...others]: readonly string[],
): Json | undefined {
  switch (first) {
    case "extended":
      return at(record("X86_PV_VCPU_EXTENDED", { vcpu }), others);
    case "xsave":
      return at(record("X86_PV_VCPU_XSAVE", { vcpu }), others);
    case "msrs":
      return at(one(at(record("X86_PV_VCPU_MSRS", { vcpu }), [first]), { msr: others[0] ?? "" }), [
        "value",
      ]);
    default:
      return at(record("X86_PV_VCPU_BASIC", { vcpu }), [first, ...others]);
  }
}

/** Shown as numbers of ports, or without those that are not set. */
const SHOWN_OTHERWISE = /evtchn_(pending|mask)\[|\.trap_ctxt\[/;

describe.skipIf(names.length === 0)(title, () => {
  test.each(names)("%s: fields are what inspect shows, and set to that it stays", async (name) => {
    const bytes = await sharedImage(name);
    const image = new ChunkedImage([bytes]);
    const inspection = await inspectStream(new ChunkedImage([bytes]), {
      pageDataHead: engine,
      memoryDigest: "leave-out",
    });
    const { signal } = new AbortController();
    const fields: { path: string; value: string }[] = [];
    const wrong: string[] = [];
    for await (const field of listFields({ source: image, pageDataHead: engine, signal })) {
      const { path, value } = field;
      const shown = inspected(inspection, path);
      const text = typeof shown === "object" ? JSON.stringify(shown) : `${shown}`;
      const isLeftOut = shown === undefined && path.includes(".vcpu_info[");
      const isShown = !isLeftOut && !SHOWN_OTHERWISE.test(path);
      wrong.push(...(isShown && text !== `${value}` ? [`${path}: ${value}, not ${text}`] : []));
      fields.push({ path, value: `${value}` });
    }
    expect(wrong).toEqual([]);
    expect(fields.length).toBeGreaterThan(500);
    const { bytes: written } = await rewriteBytes(bytes, { fields }, { engine });
    expect(Buffer.compare(written, bytes)).toBe(0);
  });
});
