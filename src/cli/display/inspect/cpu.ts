import type { Inspection } from "../../../migration/inspect.ts";
import type { Json, JsonObject } from "../../../migration/inspect-json.ts";
import { indented, renderFields, wrapWords } from "../../../report/fields.ts";
import { renderTable } from "../../../report/render.ts";
import { detailsOf } from "./details.ts";

/** Names of the four records of a PV vCPU. */
export const PV_VCPU_RECORDS: readonly string[] = ["BASIC", "EXTENDED", "XSAVE", "MSRS"].map(
  (name) => `X86_PV_VCPU_${name}`,
);

/** CPUID policies: who the CPU is, its features, its leaves. */
export function renderCpuid(inspection: Inspection, width: number): string | undefined {
  return joined(
    detailsOf(inspection, "X86_CPUID_POLICY").map((policy) => {
      const { cpu, features, unnamed_features: unnamed, leaves, error } = policy;
      if (error !== undefined) {
        return renderFields(policy, width);
      }
      return [
        renderFields(objectOf(cpu), width),
        "features:",
        indented(wrapWords(textsOf(features), width - 2).join("\n")),
        renderFields({ "features without a name": textsOf(unnamed) }, width),
        "leaves:",
        indented(renderLeaves(leaves)),
      ].join("\n");
    }),
  );
}

/** MSR policies. */
export function renderMsrs(inspection: Inspection, width: number): string | undefined {
  const policies = detailsOf(inspection, "X86_MSR_POLICY");
  return joined(policies.map(({ count: _count, ...policy }) => renderFields(policy, width)));
}

/** HVM contexts, entry by entry. */
export function renderHvm(inspection: Inspection, width: number): string | undefined {
  return joined(
    detailsOf(inspection, "HVM_CONTEXT").map(({ entries, ...rest }) => {
      const texts = objectsOf(entries).map(({ type, instance, bytes, fields }) => {
        const title = `${String(type)} ${String(instance)} (${String(bytes)} octets)`;
        return `${title}\n${indented(renderFields(objectOf(fields), width - 2))}`.trimEnd();
      });
      return [...texts, renderFields(rest, width)].join("\n");
    }),
  );
}

/** The four records of each PV vCPU, in the order of the stream. */
export function renderVcpus(inspection: Inspection, width: number): string | undefined {
  return joined(
    detailsOf(inspection, ...PV_VCPU_RECORDS).map(({ record, vcpu, ...fields }) => {
      const title = `vCPU ${String(vcpu)}: ${String(record)}`;
      return `${title}\n${indented(renderFields(fields, width - 2))}`;
    }),
  );
}

/** Leaves that hold nothing are only counted. */
function renderLeaves(leaves: Json | undefined): string {
  const registers = ["eax", "ebx", "ecx", "edx"];
  const all = objectsOf(leaves);
  const full = all.filter((leaf) => registers.some((register) => leaf[register] !== "0x0"));
  const rows = full.map((leaf) => [
    String(leaf.leaf),
    leaf.subleaf === null ? "" : String(leaf.subleaf),
    ...registers.map((register) => String(leaf[register])),
  ]);
  const table = renderTable(["leaf", "subleaf", ...registers], rows);
  const empty = all.length - full.length;
  return empty === 0 ? table : `${table}\nand ${empty} leaves of zeros`;
}

function joined(texts: readonly string[]): string | undefined {
  return texts.length === 0 ? undefined : texts.join("\n\n");
}

function objectOf(value: Json | undefined): JsonObject {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as JsonObject) : {};
}

function objectsOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.map(objectOf) : [];
}

function textsOf(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
