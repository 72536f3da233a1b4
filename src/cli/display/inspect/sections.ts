import { MigrationError } from "../../../base/errors.ts";
import type { Inspection } from "../../../migration/inspect.ts";
import { indented, printable, renderFields } from "../../../report/fields.ts";
import { PV_VCPU_RECORDS, renderCpuid, renderHvm, renderMsrs, renderVcpus } from "./cpu.ts";
import { type Details, detailsOf } from "./details.ts";
import { renderMap, renderMemory } from "./memory.ts";
import { renderFaults, renderOverview, renderRecords } from "./overview.ts";

/** Part of what there is to say of an image. */
interface Section {
  readonly title: string;
  /** Names of the records it shows. */
  readonly records?: readonly string[];
  /** `undefined` if the image has nothing of the kind. */
  render(inspection: Inspection, width: number): string | undefined;
}

/** All sections, in the order they are printed in. */
const SECTIONS = {
  overview: { title: "overview", render: renderOverview },
  config: { title: "configuration", render: renderConfig },
  records: { title: "records", render: renderRecords },
  memory: { title: "memory", render: renderMemory },
  map: { title: "map of memory", render: renderMap },
  cpuid: { title: "CPUID policy", records: ["X86_CPUID_POLICY"], render: renderCpuid },
  msr: { title: "MSR policy", records: ["X86_MSR_POLICY"], render: renderMsrs },
  tsc: fieldsOf("time stamp counter", "X86_TSC_INFO"),
  params: { title: "HVM params", records: ["HVM_PARAMS"], render: renderParams },
  hvm: { title: "HVM context", records: ["HVM_CONTEXT"], render: renderHvm },
  pv: fieldsOf("PV guest", "X86_PV_INFO", "X86_PV_P2M_FRAMES"),
  vcpus: { title: "PV vCPUs", records: PV_VCPU_RECORDS, render: renderVcpus },
  "shared-info": fieldsOf("shared info", "SHARED_INFO"),
  emulator: fieldsOf("device model", "EMULATOR_CONTEXT"),
  xenstore: fieldsOf("device model's xenstore keys", "EMULATOR_XENSTORE_DATA"),
  other: { title: "other records", render: renderOthers },
  faults: { title: "faults", render: renderFaults },
} as const satisfies Record<string, Section>;

/** Name of a section. */
export type SectionName = keyof typeof SECTIONS;

/** Names of all sections. */
export const SECTION_NAMES = Object.keys(SECTIONS) as readonly SectionName[];

/** What is printed without `--section`. */
const SECTIONS_USUAL: readonly SectionName[] = ["overview", "records", "memory", "map", "faults"];

/**
 * Sections by their names, separated by commas; `all` is all of them.
 *
 * @throws MigrationError USAGE_ARGUMENT
 */
export function parseSections(text: string | undefined): readonly SectionName[] {
  if (text === undefined) {
    return SECTIONS_USUAL;
  }
  const names = text.split(",");
  const isAll = names.includes("all");
  const unknown = names.find((name) => name !== "all" && !isSectionName(name));
  if (unknown !== undefined) {
    const known = [...SECTION_NAMES, "all"];
    throw new MigrationError("USAGE_ARGUMENT", { section: unknown, known });
  }
  return SECTION_NAMES.filter((name) => isAll || names.includes(name));
}

/** Sections of an image for a terminal of so many columns; a single one goes without its title. */
export function renderSections(
  inspection: Inspection,
  names: readonly SectionName[],
  width: number,
): string {
  if (names.length === 1) {
    return SECTIONS[names[0]!].render(inspection, width) ?? "nothing of the kind";
  }
  const rendered = names.flatMap((name) => {
    const { title, render } = SECTIONS[name];
    const text = render(inspection, width - 2);
    return text === undefined ? [] : [`${title.toUpperCase()}\n${indented(text)}`];
  });
  return rendered.join("\n\n");
}

function isSectionName(name: string): name is SectionName {
  return Object.hasOwn(SECTIONS, name);
}

function renderConfig({ xl }: Inspection): string | undefined {
  if (xl === undefined || xl.config === null) {
    return undefined;
  }
  const { config } = xl;
  const text = typeof config === "string" ? config : JSON.stringify(config, undefined, 2);
  return text.split("\n").map(printable).join("\n");
}

function renderParams(inspection: Inspection, width: number): string | undefined {
  const records = detailsOf(inspection, "HVM_PARAMS");
  return renderAll(records, (record) => {
    const params = Array.isArray(record.params) ? record.params : [];
    const named = params.map((param) => {
      const { name, index, value } = param as { name: string | null; index: string; value: string };
      return [name ?? `param ${index}`, value] as const;
    });
    const { params: _list, ...rest } = record;
    return renderFields({ ...rest, ...Object.fromEntries(named) }, width);
  });
}

/** The fields of records of some names as they are. */
function fieldsOf(title: string, ...names: readonly string[]): Section {
  return {
    title,
    records: names,
    render: (inspection, width) =>
      renderAll(detailsOf(inspection, ...names), (record) => renderFields(record, width)),
  };
}

/** What no other section shows. */
function renderOthers(inspection: Inspection, width: number): string | undefined {
  const sections: readonly Section[] = Object.values(SECTIONS);
  const shown = sections.flatMap(({ records }) => records ?? []);
  const others = inspection.details.filter(({ name }) => !shown.includes(String(name)));
  return renderAll(others, (record) => renderFields(record, width));
}

function renderAll(
  records: readonly Details[],
  render: (record: Details) => string,
): string | undefined {
  return records.length === 0 ? undefined : records.map(render).join("\n\n");
}
