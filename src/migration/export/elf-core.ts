import { PAGE_BYTES, PAGE_SHIFT, roundUp } from "../../base/units.ts";
import { encodeElfHeader, encodeProgramHeader, programCountSection } from "../../codec/elf.ts";
import {
  ELF_MACHINE,
  ELF_SIZES,
  type ElfClass,
  PROGRAM_FLAGS,
  PROGRAM_TYPE,
} from "../../format/elf.ts";
import type { FinalMemory } from "../final-memory.ts";
import type { PageMappings } from "../page-mappings.ts";
import { coreNotes } from "./core-notes.ts";
import type { ExportedGuest } from "./guest.ts";
import { type ExportOutput, writePages } from "./output.ts";

/** Octets that addresses, offsets and sizes of class 32 go up to. */
const CLASS_32_BYTES = 2 ** 32;

/** Program headers that are written at once. */
const HEADERS_AT_ONCE = 4096;

/** Everything is readable, writable and executable: a core says nothing of rights. */
const FLAGS = PROGRAM_FLAGS.READ | PROGRAM_FLAGS.WRITE | PROGRAM_FLAGS.EXECUTE;

/** As kdump and QEMU say of their segments; crash takes a core with any other for a netdump. */
const UNALIGNED = 0;

/** What goes into an ELF core beside the guest's memory and registers. */
export interface ElfCoreOptions {
  /** Segments are those of this address space; else of the guest's physical memory. */
  readonly mappings: PageMappings | undefined;
  readonly vmcoreinfo: Uint8Array | undefined;
}

/** What was written. */
export interface ElfCoreSummary {
  readonly elfClass: ElfClass;
  readonly segments: number;
}

/** A segment: frames in a row, and where they are seen. */
interface Segment {
  readonly address: bigint;
  readonly pfn: number;
  readonly frameCount: number;
}

/**
 * Writes an ELF core: segments, notes, and all frames with memory, each once.
 *
 * Segments of physical memory have the same address as their virtual one. Those of an address space
 * may be of the same frames, and so of the same octets of the file. A 32-bit guest's core is of
 * class 32 unless its memory or its file goes beyond 4 GiB.
 *
 * @throws MigrationError TRANSPORT_LOST, STREAM_TRUNCATED; the signal's reason.
 */
export async function writeElfCore(
  guest: ExportedGuest,
  { mappings, vmcoreinfo }: ElfCoreOptions,
  out: ExportOutput,
): Promise<ElfCoreSummary> {
  const { memory } = guest;
  const segments = mappings?.runCount ?? memory.rangeCount;
  const elfClass = classOf(guest, segments);
  const notes = coreNotes(guest, elfClass, vmcoreinfo);
  const layout = layoutOf(elfClass, { segments, noteBytes: notes.length });
  const { output, signal } = out;
  await output.write(...headerChunks(guest, elfClass, layout));
  let headers: Uint8Array[] = [];
  for (const segment of mappings?.runs() ?? physicalSegments(memory)) {
    headers.push(segmentHeader(elfClass, segment, layout.pagesOffset, memory));
    if (headers.length === HEADERS_AT_ONCE) {
      signal?.throwIfAborted();
      await output.write(...headers);
      headers = [];
    }
  }
  await output.write(...headers, notes);
  await output.skip(layout.pagesOffset - output.offset);
  await writePages(memory, out);
  return { elfClass, segments };
}

interface CoreLayout {
  /** Program headers, that of the notes included. */
  readonly programCount: number;
  readonly section: Uint8Array | undefined;
  readonly programsOffset: number;
  readonly notesOffset: number;
  readonly noteBytes: number;
  readonly pagesOffset: number;
}

function layoutOf(
  elfClass: ElfClass,
  { segments, noteBytes }: { readonly segments: number; readonly noteBytes: number },
): CoreLayout {
  const programCount = segments + 1;
  const section = programCountSection(elfClass, programCount);
  const programsOffset = ELF_SIZES[elfClass].header + (section?.length ?? 0);
  const notesOffset = programsOffset + programCount * ELF_SIZES[elfClass].program;
  const pagesOffset = roundUp(notesOffset + noteBytes, PAGE_BYTES);
  return { programCount, section, programsOffset, notesOffset, noteBytes, pagesOffset };
}

function classOf({ width, memory }: ExportedGuest, segments: number): ElfClass {
  const endPfn = (memory.pfns.at(-1) ?? 0) + 1;
  const headerBytes = segments * ELF_SIZES[64].program + 2 ** 20;
  const fileBytes = headerBytes + memory.frameCount * PAGE_BYTES;
  const isBelow = Math.max(endPfn * PAGE_BYTES, fileBytes) <= CLASS_32_BYTES;
  return width === 4 && isBelow ? 32 : 64;
}

function headerChunks(
  { width }: ExportedGuest,
  elfClass: ElfClass,
  layout: CoreLayout,
): Uint8Array[] {
  const { programCount, section, programsOffset, notesOffset, noteBytes } = layout;
  const header = encodeElfHeader({
    elfClass,
    machine: width === 8 ? ELF_MACHINE.X86_64 : ELF_MACHINE.I386,
    programsOffset,
    programCount,
    sectionsOffset: section === undefined ? 0 : ELF_SIZES[elfClass].header,
    sectionCount: section === undefined ? 0 : 1,
    namesSection: 0,
  });
  const notes = encodeProgramHeader(elfClass, {
    type: PROGRAM_TYPE.NOTE,
    flags: 0,
    offset: notesOffset,
    virtualAddress: 0n,
    physicalAddress: 0n,
    bytes: noteBytes,
    align: UNALIGNED,
  });
  return [header, ...(section === undefined ? [] : [section]), notes];
}

function* physicalSegments(memory: FinalMemory): Generator<Segment, void, undefined> {
  for (const { firstPfn: pfn, frameCount } of memory.ranges()) {
    yield { address: BigInt(pfn) << BigInt(PAGE_SHIFT), pfn, frameCount };
  }
}

function segmentHeader(
  elfClass: ElfClass,
  { address, pfn, frameCount }: Segment,
  pagesOffset: number,
  memory: FinalMemory,
): Uint8Array {
  return encodeProgramHeader(elfClass, {
    type: PROGRAM_TYPE.LOAD,
    flags: FLAGS,
    offset: pagesOffset + memory.indexFrom(pfn) * PAGE_BYTES,
    virtualAddress: address,
    physicalAddress: BigInt(pfn) << BigInt(PAGE_SHIFT),
    bytes: frameCount * PAGE_BYTES,
    align: UNALIGNED,
  });
}
