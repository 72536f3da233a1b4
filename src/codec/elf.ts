import { assert } from "../base/assert.ts";
import { LITTLE_ENDIAN, roundUp } from "../base/units.ts";
import {
  ELF_SIZES,
  ELF_TYPE_CORE,
  type ElfClass,
  PROGRAM_COUNT_ELSEWHERE,
  SECTION_TYPE,
} from "../format/elf.ts";
import { viewOf } from "./steps.ts";

/** What the header of a core file says. */
export interface ElfHeader {
  readonly elfClass: ElfClass;
  readonly machine: number;
  /** Where program headers and section headers are; 0 where there are none. */
  readonly programsOffset: number;
  readonly programCount: number;
  readonly sectionsOffset: number;
  readonly sectionCount: number;
  /** Of the section with the sections' names. */
  readonly namesSection: number;
}

/** A program header: octets of the file, and where they are in memory. */
export interface ProgramHeader {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly virtualAddress: bigint;
  readonly physicalAddress: bigint;
  readonly bytes: number;
  readonly align: number;
}

/** A section header. */
export interface SectionHeader {
  /** Offset into the section with the names. */
  readonly name: number;
  readonly type: number;
  readonly offset: number;
  readonly bytes: number;
  readonly align: number;
  readonly entryBytes: number;
  readonly info?: number;
}

/** Encodes the header of a core file; {@link programCountSection} has large numbers of headers. */
export function encodeElfHeader(header: ElfHeader): Uint8Array {
  const { elfClass, machine, programsOffset, programCount, sectionsOffset } = header;
  const sizes = ELF_SIZES[elfClass];
  const fields = new Fields(sizes.header, elfClass);
  fields.octets(0x7f, 0x45, 0x4c, 0x46, elfClass === 64 ? 2 : 1, 1, 1, 0);
  fields.octets(0, 0, 0, 0, 0, 0, 0, 0);
  fields.half(ELF_TYPE_CORE, machine);
  fields.word(1);
  fields.address(0n, BigInt(programsOffset), BigInt(sectionsOffset));
  fields.word(0);
  fields.half(sizes.header, programsOffset === 0 ? 0 : sizes.program);
  fields.half(Math.min(programCount, PROGRAM_COUNT_ELSEWHERE));
  fields.half(sectionsOffset === 0 ? 0 : sizes.section, header.sectionCount, header.namesSection);
  return fields.done();
}

/**
 * The section 0 that a file needs with so many program headers; `undefined` where it needs none.
 *
 * @source Linux's elf.h, PN_XNUM
 */
export function programCountSection(
  elfClass: ElfClass,
  programCount: number,
): Uint8Array | undefined {
  const nothing = {
    name: 0,
    type: SECTION_TYPE.NULL,
    offset: 0,
    bytes: 0,
    align: 0,
    entryBytes: 0,
  };
  return programCount < PROGRAM_COUNT_ELSEWHERE
    ? undefined
    : encodeSectionHeader(elfClass, { ...nothing, info: programCount });
}

/** Encodes a program header. @param header addresses beyond 32 bits only of class 64. */
export function encodeProgramHeader(elfClass: ElfClass, header: ProgramHeader): Uint8Array {
  const { type, flags, offset, virtualAddress, physicalAddress, bytes, align } = header;
  const fields = new Fields(ELF_SIZES[elfClass].program, elfClass);
  fields.word(type);
  if (elfClass === 64) {
    fields.word(flags);
  }
  const size = BigInt(bytes);
  fields.address(BigInt(offset), virtualAddress, physicalAddress, size, size);
  if (elfClass === 32) {
    fields.word(flags);
  }
  fields.address(BigInt(align));
  return fields.done();
}

/** Encodes a section header. */
export function encodeSectionHeader(elfClass: ElfClass, section: SectionHeader): Uint8Array {
  const { name, type, offset, bytes, align, entryBytes, info = 0 } = section;
  const fields = new Fields(ELF_SIZES[elfClass].section, elfClass);
  fields.word(name, type);
  fields.address(0n, 0n, BigInt(offset), BigInt(bytes));
  fields.word(0, info);
  fields.address(BigInt(align), BigInt(entryBytes));
  return fields.done();
}

/** Encodes a note: its owner's name and what it says, each padded to a multiple of 4 octets. */
export function encodeNote(owner: string, type: number, content: Uint8Array): Uint8Array {
  const name = Buffer.from(`${owner}\0`, "latin1");
  const contentAt = NOTE_HEAD_BYTES + roundUp(name.length, NOTE_ALIGN_BYTES);
  const note = new Uint8Array(contentAt + roundUp(content.length, NOTE_ALIGN_BYTES));
  const view = viewOf(note);
  view.setUint32(0, name.length, LITTLE_ENDIAN);
  view.setUint32(4, content.length, LITTLE_ENDIAN);
  view.setUint32(8, type, LITTLE_ENDIAN);
  note.set(name, NOTE_HEAD_BYTES);
  note.set(content, contentAt);
  return note;
}

const NOTE_HEAD_BYTES = 12;
const NOTE_ALIGN_BYTES = 4;

/** Fields behind each other, of which addresses are as wide as the class says. */
class Fields {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #elfClass: ElfClass;
  #at = 0;

  constructor(byteCount: number, elfClass: ElfClass) {
    this.#bytes = new Uint8Array(byteCount);
    this.#view = viewOf(this.#bytes);
    this.#elfClass = elfClass;
  }

  octets(...values: readonly number[]): void {
    this.#bytes.set(values, this.#at);
    this.#at += values.length;
  }

  half(...values: readonly number[]): void {
    for (const value of values) {
      this.#view.setUint16(this.#at, value, LITTLE_ENDIAN);
      this.#at += 2;
    }
  }

  word(...values: readonly number[]): void {
    for (const value of values) {
      this.#view.setUint32(this.#at, value, LITTLE_ENDIAN);
      this.#at += 4;
    }
  }

  address(...values: readonly bigint[]): void {
    for (const value of values) {
      if (this.#elfClass === 64) {
        this.#view.setBigUint64(this.#at, value, LITTLE_ENDIAN);
        this.#at += 8;
      } else {
        this.word(Number(value));
      }
    }
  }

  done(): Uint8Array {
    assert(this.#at === this.#bytes.length, "all fields are there");
    return this.#bytes;
  }
}
