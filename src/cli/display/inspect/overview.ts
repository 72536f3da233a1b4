import { GUEST_TYPE } from "../../../format/libxc.ts";
import type { Inspection } from "../../../migration/inspect.ts";
import type { Json } from "../../../migration/inspect-json.ts";
import { printable } from "../../../report/fields.ts";
import { formatBytes, formatCount } from "../../../report/format.ts";
import { renderTable } from "../../../report/render.ts";
import { detailsOf } from "./details.ts";

/** What kind of image it is and of which guest. */
export function renderOverview(inspection: Inspection): string {
  const lines = [
    ["guest", guestOf(inspection)],
    ["format", formatOf(inspection)],
    ["saved by", inspection.libxc?.xen === undefined ? undefined : `Xen ${inspection.libxc.xen}`],
    ["CPU", cpuOf(inspection)],
    ["device model", emulatorOf(inspection)],
    ["length", `${formatCount(inspection.bytes)} octets (${formatBytes(inspection.bytes)})`],
    ["after the end", trailingOf(inspection)],
    ["memory sha256", inspection.memory_sha256],
  ] as const;
  return lines
    .filter(([, text]) => text !== undefined && text !== "")
    .map(([name, text]) => `${name.padEnd(14)} ${text}`)
    .join("\n");
}

/** The records in order. */
export function renderRecords({ records, records_left_out }: Inspection): string {
  const head = ["layer", "record", "count", "bytes"];
  const rows = records.map(({ layer, name, count, bytes }) => [
    layer,
    name,
    formatCount(count),
    formatCount(bytes),
  ]);
  const table = renderTable(head, rows);
  return records_left_out === 0
    ? table
    : `${table}\nand ${formatCount(records_left_out)} more records`;
}

/** What restoring would refuse, and why reading ended early. */
export function renderFaults({ faults, error, details }: Inspection): string | undefined {
  const broken = details.flatMap(({ name, error: found }) => {
    const message = memberOf(found, "message");
    return typeof message === "string" ? [`${String(name)} cannot be decoded: ${message}`] : [];
  });
  const lines = [
    ...faults.map(({ message }) => message),
    ...broken,
    ...(error === undefined ? [] : [`reading ended early: ${error.message}`]),
  ];
  return lines.length === 0 ? undefined : lines.map(printable).join("\n");
}

function guestOf(inspection: Inspection): string {
  const info = memberOf(inspection.xl?.config, "c_info");
  const build = memberOf(inspection.xl?.config, "b_info");
  const name = memberOf(info, "name");
  const memoryKiB = memberOf(build, "max_memkb") ?? memberOf(build, "target_memkb");
  const vcpus = vcpuCount(inspection);
  const parts = [
    typeof name === "string" ? `"${printable(name)}"` : undefined,
    kindOf(inspection, memberOf(info, "type")),
    typeof memoryKiB === "number" ? formatBytes(memoryKiB * 1024) : undefined,
    vcpus === 0 ? undefined : `${vcpus} ${vcpus === 1 ? "vCPU" : "vCPUs"}`,
  ];
  return parts.filter((part) => part !== undefined).join(", ");
}

/** PVH guests are HVM guests to libxc; xl knows better. */
function kindOf({ libxc }: Inspection, configType: Json | undefined): string | undefined {
  if (typeof configType === "string") {
    return printable(configType.toUpperCase());
  }
  switch (libxc?.guest_type) {
    case GUEST_TYPE.X86_PV:
      return "PV";
    case GUEST_TYPE.X86_HVM:
      return "HVM or PVH";
    default:
      return undefined;
  }
}

function vcpuCount(inspection: Inspection): number {
  const numbers = new Set<Json | undefined>();
  for (const { entries } of detailsOf(inspection, "HVM_CONTEXT")) {
    for (const entry of Array.isArray(entries) ? entries : []) {
      if (memberOf(entry, "type") === "CPU") {
        numbers.add(memberOf(entry, "instance"));
      }
    }
  }
  for (const { vcpu } of detailsOf(inspection, "X86_PV_VCPU_BASIC")) {
    numbers.add(vcpu);
  }
  return numbers.size;
}

function formatOf({ format, libxl, libxc, byte_order }: Inspection): string {
  const layers = [
    format === "xl" ? "xl" : undefined,
    libxl === undefined ? undefined : `libxl ${libxl.version}`,
    libxc === undefined ? undefined : `libxc ${libxc.version}`,
  ].filter((layer) => layer !== undefined);
  const isBig = Object.values(byte_order).includes("big");
  return `${layers.join(" > ")}${isBig ? ", big-endian" : ""}`;
}

function cpuOf(inspection: Inspection): string | undefined {
  const [policy] = detailsOf(inspection, "X86_CPUID_POLICY");
  const cpu = policy?.cpu;
  if (cpu === undefined) {
    return undefined;
  }
  const [vendor, brand] = [memberOf(cpu, "vendor"), memberOf(cpu, "brand")];
  const numbers = ["family", "model", "stepping"].map((name) => memberOf(cpu, name)).join("/");
  return `${brand === "" ? vendor : brand} (${vendor} ${numbers})`;
}

function emulatorOf(inspection: Inspection): string | undefined {
  const contexts = detailsOf(inspection, "EMULATOR_CONTEXT");
  const texts = contexts.map(({ emulator, context_bytes, sections }) => {
    const count = Array.isArray(sections) ? `, ${sections.length} sections` : "";
    return `${String(emulator)}, ${formatCount(Number(context_bytes))} octets${count}`;
  });
  return texts.length === 0 ? undefined : texts.join("; ");
}

function trailingOf({
  trailing_bytes,
  trailing,
  trailing_sentence,
}: Inspection): string | undefined {
  if (trailing_bytes === 0) {
    return undefined;
  }
  const what =
    trailing_sentence === undefined
      ? `: ${printable(trailing ?? "")}`
      : `, xl's sentence of ${trailing_sentence.toLowerCase()}`;
  return `${formatCount(trailing_bytes)} octets${what}`;
}

function memberOf(value: Json | undefined, name: string): Json | undefined {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, Json>>)[name] : undefined;
}
