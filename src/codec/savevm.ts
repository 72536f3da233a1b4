import type { MigrationError } from "../base/errors.ts";
import {
  SAVEVM_FOOTER_BYTES,
  SAVEVM_HEAD_BYTES,
  SAVEVM_MAGIC,
  SAVEVM_MARK,
  SAVEVM_SECTION_HEAD_BYTES,
  SAVEVM_SECTION_TAIL_BYTES,
  SAVEVM_VERSION,
} from "../format/savevm.ts";
import { type BodySource, failure } from "./bodies.ts";
import { viewOf } from "./steps.ts";

/** @inferred a device model has a few dozen. */
const SECTIONS_MAX = 4096;

/**
 * Octets that are looked through.
 *
 * @inferred device models save some ten thousand; memory is not among it.
 */
const DATA_BYTES_MAX = 16 * 1024 * 1024;

/** Section ids are given out from 0 up; a higher number is no head of a section. */
const SECTION_ID_MAX = 65_535;

/** Characters that names of devices are made of. */
const NAME = /^[\w.:/@+,() -]+$/;

/** One device's state. */
export interface SavevmSection {
  readonly name: string;
  readonly sectionId: number;
  readonly instance: number;
  readonly version: number;
  /** Of its head, from the start of the device model's data. */
  readonly offset: number;
  /** Octets of the state alone. */
  readonly bytes: number;
}

/** What a device model saved. */
export interface Savevm {
  readonly version: number;
  readonly sections: readonly SavevmSection[];
  /** RECORD_VALUE or RECORD_LENGTH, with `dataOffset`: why there are no more sections. */
  readonly error?: MigrationError;
}

/** Whether the data starts as QEMU's state of devices does. */
export function isSavevm(data: Uint8Array): boolean {
  return data.length >= SAVEVM_HEAD_BYTES && viewOf(data).getUint32(0) === SAVEVM_MAGIC;
}

/**
 * Splits a device model's data into the sections of its devices.
 *
 * Sections do not tell their lengths, and QEMU writes no footers for Xen: one ends where the next
 * head stands, which is a mark, a section id not seen yet, and a name of the length before it; the
 * last ends at the mark of the end, which is the last octet.
 *
 * @param source for errors; `data` is a part of its body.
 * @source QEMU's hw/i386/pc_piix.c and hw/xen/xen-hvm-common.c: migration.send-section-footer=off
 */
export function splitSavevm(data: Uint8Array, source: BodySource): Savevm {
  const view = viewOf(data);
  const version = view.getUint32(4);
  const sections: SavevmSection[] = [];
  const broken = (dataOffset: number, problem: string) => {
    const error = failure(source, "RECORD_VALUE", { dataOffset, problem });
    return { version, sections, error };
  };
  if (data.length > DATA_BYTES_MAX) {
    return broken(0, `it is longer than ${DATA_BYTES_MAX} octets`);
  }
  if (version !== SAVEVM_VERSION) {
    return broken(4, `version ${version} of the device model's data is not known`);
  }
  const seen = new Set<number>();
  let head = headAt(data, SAVEVM_HEAD_BYTES, seen);
  if (head === undefined) {
    return isEnd(data, SAVEVM_HEAD_BYTES)
      ? { version, sections }
      : broken(SAVEVM_HEAD_BYTES, "no section starts here");
  }
  while (sections.length < SECTIONS_MAX) {
    seen.add(head.sectionId);
    const next = nextHead(data, head.stateOffset, seen);
    const end = next?.offset ?? data.length - 1;
    const { stateOffset, ...known } = head;
    sections.push({ ...known, bytes: end - stateOffset - footerBytes(data, head, end) });
    if (next === undefined) {
      return isEnd(data, end) ? { version, sections } : broken(data.length, "there is no end");
    }
    head = next;
  }
  return broken(head.offset, "too many sections");
}

interface Head extends Omit<SavevmSection, "bytes"> {
  readonly stateOffset: number;
}

function nextHead(data: Uint8Array, from: number, seen: ReadonlySet<number>): Head | undefined {
  let offset = data.indexOf(SAVEVM_MARK.SECTION_FULL, from);
  while (offset !== -1) {
    const head = headAt(data, offset, seen);
    if (head !== undefined) {
      return head;
    }
    offset = data.indexOf(SAVEVM_MARK.SECTION_FULL, offset + 1);
  }
  return undefined;
}

function headAt(data: Uint8Array, offset: number, seen: ReadonlySet<number>): Head | undefined {
  const nameOffset = offset + SAVEVM_SECTION_HEAD_BYTES;
  if (data[offset] !== SAVEVM_MARK.SECTION_FULL || nameOffset > data.length) {
    return undefined;
  }
  const view = viewOf(data);
  const sectionId = view.getUint32(offset + 1);
  const tailOffset = nameOffset + data[offset + 5]!;
  const stateOffset = tailOffset + SAVEVM_SECTION_TAIL_BYTES;
  if (sectionId > SECTION_ID_MAX || seen.has(sectionId) || stateOffset >= data.length) {
    return undefined;
  }
  const name = Buffer.from(data.subarray(nameOffset, tailOffset)).toString("latin1");
  if (!NAME.test(name)) {
    return undefined;
  }
  const [instance, version] = [view.getUint32(tailOffset), view.getUint32(tailOffset + 4)];
  return { name, sectionId, instance, version, offset, stateOffset };
}

function footerBytes(data: Uint8Array, { sectionId, stateOffset }: Head, end: number): number {
  const footer = end - SAVEVM_FOOTER_BYTES;
  const isFooter =
    footer >= stateOffset &&
    data[footer] === SAVEVM_MARK.SECTION_FOOTER &&
    viewOf(data).getUint32(footer + 1) === sectionId;
  return isFooter ? SAVEVM_FOOTER_BYTES : 0;
}

/** Whether the data ends at `offset`, with nothing but the mark. */
function isEnd(data: Uint8Array, offset: number): boolean {
  return offset === data.length - 1 && data[offset] === SAVEVM_MARK.EOF;
}
