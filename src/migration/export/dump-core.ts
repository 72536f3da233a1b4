import { LITTLE_ENDIAN, PAGE_BYTES, roundUp } from "../../base/units.ts";
import {
  encodeElfHeader,
  encodeNote,
  encodeSectionHeader,
  type SectionHeader,
} from "../../codec/elf.ts";
import { viewOf } from "../../codec/steps.ts";
import {
  DUMP_CORE_MAGIC,
  DUMP_CORE_NOTE,
  DUMP_CORE_SECTION,
  DUMP_CORE_VERSION,
  PRSTATUS_SLOT_BYTES,
  XEN_VERSION_NOTE,
} from "../../format/dump-core.ts";
import { ELF_MACHINE, ELF_SIZES, NOTE_OWNER, SECTION_TYPE } from "../../format/elf.ts";
import type { FinalMemory } from "../final-memory.ts";
import type { ExportedGuest } from "./guest.ts";
import { type ExportOutput, writePages } from "./output.ts";

/** The class of all dumps, and what their tables are aligned to. */
const CLASS = 64;
const TABLE_ALIGN_BYTES = 8;

/** Octets of an entry of .xen_pfn and of .xen_p2m. */
const PFN_BYTES = 8;
const P2M_BYTES = 16;

/** Entries that are written at once. */
const ENTRIES_AT_ONCE = 65_536;

/** A section: its header without its place, and its octets where they are at hand. */
interface Section {
  readonly name: string;
  readonly type: number;
  readonly bytes: number;
  readonly align: number;
  readonly entryBytes: number;
  readonly content?: Uint8Array;
}

/**
 * Writes a dump as `xl dump-core` does: notes, contexts, shared info, pages, frame numbers.
 *
 * An image names a PV guest's frames, page tables included, by pfns, so they stand for machine
 * frames too.
 *
 * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
 */
export async function writeDumpCore(guest: ExportedGuest, out: ExportOutput): Promise<void> {
  const { memory, kind, width } = guest;
  const { output } = out;
  const sections = sectionsOf(guest);
  const names = Buffer.from(`\0${sections.map(({ name }) => `${name}\0`).join("")}`, "latin1");
  const headers = placeSections(sections, names.length);
  const isPv32 = kind === "pv" && width === 4;
  const header = encodeElfHeader({
    elfClass: CLASS,
    machine: isPv32 ? ELF_MACHINE.I386 : ELF_MACHINE.X86_64,
    programsOffset: 0,
    programCount: 0,
    sectionsOffset: ELF_SIZES[CLASS].header,
    sectionCount: headers.length,
    namesSection: 1,
  });
  await output.write(header, ...headers.map((one) => encodeSectionHeader(CLASS, one)));
  await output.write(...sections.flatMap(({ content }) => content ?? []));
  const pagesHeader = headers.at(PAGES_FROM_END)!;
  await output.skip(pagesHeader.offset - output.offset);
  await writePages(memory, out);
  await writeFrameNumbers(memory, kind, out);
  await output.write(names);
}

/** The last two sections are the pages and their frame numbers. */
const PAGES_FROM_END = -2;

function sectionsOf(guest: ExportedGuest): readonly Section[] {
  const { memory, kind, vcpus, sharedInfo } = guest;
  const slots = vcpus.map(({ context }) => {
    const slot = new Uint8Array(PRSTATUS_SLOT_BYTES);
    slot.set(context.subarray(0, PRSTATUS_SLOT_BYTES));
    return slot;
  });
  const table = kind === "pv" ? DUMP_CORE_SECTION.P2M : DUMP_CORE_SECTION.PFN;
  const entryBytes = kind === "pv" ? P2M_BYTES : PFN_BYTES;
  const { frameCount } = memory;
  const pages = { type: SECTION_TYPE.PROGBITS, align: PAGE_BYTES, entryBytes: PAGE_BYTES };
  return [
    { name: DUMP_CORE_SECTION.NAMES, type: SECTION_TYPE.STRTAB, bytes: 0, align: 0, entryBytes: 0 },
    withContent(DUMP_CORE_SECTION.NOTES, notesOf(guest), { type: SECTION_TYPE.NOTE }),
    withContent(DUMP_CORE_SECTION.PRSTATUS, new Uint8Array(Buffer.concat(slots)), {
      type: SECTION_TYPE.PROGBITS,
      align: TABLE_ALIGN_BYTES,
      entryBytes: PRSTATUS_SLOT_BYTES,
    }),
    ...(sharedInfo === undefined
      ? []
      : [
          withContent(DUMP_CORE_SECTION.SHARED_INFO, sharedInfo, {
            type: SECTION_TYPE.PROGBITS,
            align: TABLE_ALIGN_BYTES,
            entryBytes: PAGE_BYTES,
          }),
        ]),
    { name: DUMP_CORE_SECTION.PAGES, bytes: frameCount * PAGE_BYTES, ...pages },
    {
      name: table,
      type: SECTION_TYPE.PROGBITS,
      bytes: frameCount * entryBytes,
      align: TABLE_ALIGN_BYTES,
      entryBytes,
    },
  ];
}

function withContent(
  name: string,
  content: Uint8Array,
  how: { readonly type: number; readonly align?: number; readonly entryBytes?: number },
): Section {
  return { name, bytes: content.length, content, align: 0, entryBytes: 0, ...how };
}

/** Puts sections behind each other, pages at a multiple of their size, the names at the end. */
function placeSections(sections: readonly Section[], nameBytes: number): readonly SectionHeader[] {
  const none = { name: 0, type: SECTION_TYPE.NULL, offset: 0, bytes: 0, align: 0, entryBytes: 0 };
  const headers: SectionHeader[] = [none];
  let offset = ELF_SIZES[CLASS].header + (sections.length + 1) * ELF_SIZES[CLASS].section;
  let name = 1;
  for (const { name: text, type, bytes, align, entryBytes } of sections) {
    offset = roundUp(offset, Math.max(align, 1));
    headers.push({ name, type, offset, bytes, align, entryBytes });
    offset += bytes;
    name += text.length + 1;
  }
  headers[1] = { ...headers[1]!, offset, bytes: nameBytes };
  return headers;
}

function notesOf({ kind, width, vcpus, memory, xen }: ExportedGuest): Uint8Array {
  const words = (...values: readonly bigint[]) => {
    const bytes = new Uint8Array(values.length * 8);
    for (const [index, value] of values.entries()) {
      viewOf(bytes).setBigUint64(index * 8, value, LITTLE_ENDIAN);
    }
    return bytes;
  };
  const counts = [vcpus.length, memory.frameCount, PAGE_BYTES].map(BigInt);
  const version = new Uint8Array(XEN_VERSION_NOTE.bytes);
  const isPv32 = kind === "pv" && width === 4;
  const pageBytesAt = XEN_VERSION_NOTE.pageBytes[isPv32 ? 32 : 64];
  version.set(words(BigInt(xen.major)), XEN_VERSION_NOTE.major);
  version.set(words(BigInt(xen.minor)), XEN_VERSION_NOTE.minor);
  version.set(words(BigInt(PAGE_BYTES)), pageBytesAt);
  const note = (type: number, content: Uint8Array) => encodeNote(NOTE_OWNER.XEN, type, content);
  return new Uint8Array(
    Buffer.concat([
      note(DUMP_CORE_NOTE.NONE, new Uint8Array(0)),
      note(DUMP_CORE_NOTE.HEADER, words(DUMP_CORE_MAGIC[kind], ...counts)),
      note(DUMP_CORE_NOTE.XEN_VERSION, version),
      note(DUMP_CORE_NOTE.FORMAT_VERSION, words(DUMP_CORE_VERSION)),
    ]),
  );
}

/** The numbers of all frames, of PV guests twice. */
async function writeFrameNumbers(
  { pfns }: FinalMemory,
  kind: "pv" | "hvm",
  { output, signal }: ExportOutput,
): Promise<void> {
  const repeats = kind === "pv" ? P2M_BYTES / PFN_BYTES : 1;
  for (let first = 0; first < pfns.length; first += ENTRIES_AT_ONCE) {
    signal?.throwIfAborted();
    const some = pfns.subarray(first, first + ENTRIES_AT_ONCE);
    const words = new Uint8Array(some.length * repeats * PFN_BYTES);
    const view = viewOf(words);
    for (let index = 0; index < some.length * repeats; index++) {
      view.setUint32(index * PFN_BYTES, some[Math.floor(index / repeats)]!, LITTLE_ENDIAN);
    }
    await output.write(words);
  }
}
