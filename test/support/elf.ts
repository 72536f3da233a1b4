/** A small reader of ELF cores, written from the ABI and not from the code that is tested. */

/** A program header with its octets. */
export interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly virtual: bigint;
  readonly physical: bigint;
  readonly fileBytes: bigint;
  readonly memoryBytes: bigint;
  readonly align: bigint;
}

/** A section with its octets. */
export interface Section {
  readonly name: string;
  readonly type: number;
  readonly entryBytes: number;
  readonly offset: number;
  readonly info: number;
  readonly content: Uint8Array;
}

/** A note. */
export interface Note {
  readonly owner: string;
  readonly type: number;
  readonly content: Uint8Array;
}

/** What a core is made of. */
export interface Core {
  readonly bits: 32 | 64;
  readonly type: number;
  readonly machine: number;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  /** Of the PT_NOTE segment, else of the SHT_NOTE section. */
  readonly notes: readonly Note[];
}

/** Reads a core as a whole. */
export function readCore(bytes: Uint8Array): Core {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== 0x7f454c46 || bytes[5] !== 1 || bytes[6] !== 1) {
    throw new Error("no little-endian ELF file");
  }
  const bits = bytes[4] === 2 ? 64 : 32;
  const u16 = (at: number) => view.getUint16(at, true);
  const u32 = (at: number) => view.getUint32(at, true);
  const u64 = (at: number) => view.getBigUint64(at, true);
  const word = (at64: number, at32: number) => (bits === 64 ? Number(u64(at64)) : u32(at32));
  const [phoff, shoff] = [word(32, 28), word(40, 32)];
  const at = bits === 64 ? 54 : 42;
  const [phentsize, phnum, shentsize, shnum, shstrndx] = [0, 2, 4, 6, 8].map((plus) =>
    u16(at + plus),
  ) as [number, number, number, number, number];
  const shdr = (index: number) => {
    const base = shoff + index * shentsize;
    return bits === 64
      ? {
          name: u32(base),
          type: u32(base + 4),
          offset: Number(u64(base + 24)),
          size: Number(u64(base + 32)),
          info: u32(base + 44),
          entryBytes: Number(u64(base + 56)),
        }
      : {
          name: u32(base),
          type: u32(base + 4),
          offset: u32(base + 16),
          size: u32(base + 20),
          info: u32(base + 28),
          entryBytes: u32(base + 36),
        };
  };
  const count = phnum === 0xffff ? shdr(0).info : phnum;
  const segments = Array.from({ length: count }, (_, index): Segment => {
    const base = phoff + index * phentsize;
    const big = (plus: number) => BigInt(u32(base + plus));
    return bits === 64
      ? {
          type: u32(base),
          flags: u32(base + 4),
          offset: Number(u64(base + 8)),
          virtual: u64(base + 16),
          physical: u64(base + 24),
          fileBytes: u64(base + 32),
          memoryBytes: u64(base + 40),
          align: u64(base + 48),
        }
      : {
          type: u32(base),
          offset: u32(base + 4),
          virtual: big(8),
          physical: big(12),
          fileBytes: big(16),
          memoryBytes: big(20),
          flags: u32(base + 24),
          align: big(28),
        };
  });
  const heads = Array.from({ length: shnum }, (_, index) => shdr(index));
  const names = heads[shstrndx];
  const sections = heads.map(({ name, type, offset, size, info, entryBytes }): Section => {
    const start = (names?.offset ?? 0) + name;
    const end = bytes.indexOf(0, start);
    const text = shstrndx === 0 ? "" : Buffer.from(bytes.subarray(start, end)).toString("latin1");
    const content = bytes.subarray(offset, offset + size);
    return { name: text, type, entryBytes, offset, info, content };
  });
  const note = segments.find(({ type }) => type === 4);
  const notes =
    note === undefined
      ? (sections.find(({ type }) => type === 7)?.content ?? new Uint8Array(0))
      : bytes.subarray(note.offset, note.offset + Number(note.fileBytes));
  return { bits, type: u16(16), machine: u16(18), segments, sections, notes: readNotes(notes) };
}

function readNotes(bytes: Uint8Array): readonly Note[] {
  const notes: Note[] = [];
  for (let at = 0; at < bytes.length; ) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at);
    const [nameBytes, contentBytes, type] = [0, 4, 8].map((plus) => view.getUint32(plus, true)) as [
      number,
      number,
      number,
    ];
    const contentAt = at + 12 + Math.ceil(nameBytes / 4) * 4;
    notes.push({
      owner: Buffer.from(bytes.subarray(at + 12, at + 12 + nameBytes - 1)).toString("latin1"),
      type,
      content: bytes.subarray(contentAt, contentAt + contentBytes),
    });
    at = contentAt + Math.ceil(contentBytes / 4) * 4;
  }
  return notes;
}

/** Octets at the address of a segment; `undefined` if none has it. */
export function memoryAt(
  core: Core,
  bytes: Uint8Array,
  address: bigint,
  byteCount: number,
): Uint8Array | undefined {
  const segment = core.segments.find(
    ({ type, virtual, memoryBytes }) =>
      type === 1 && address >= virtual && address + BigInt(byteCount) <= virtual + memoryBytes,
  );
  const start = segment && segment.offset + Number(address - segment.virtual);
  return start === undefined ? undefined : bytes.subarray(start, start + byteCount);
}
