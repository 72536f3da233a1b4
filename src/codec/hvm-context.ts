import type { MigrationError } from "../base/errors.ts";
import {
  HVM_DESCRIPTOR_BYTES,
  HVM_FILE_MAGIC,
  HVM_FILE_VERSION,
  HVM_MSR_BYTES,
  HVM_MSR_HEAD_BYTES,
  HVM_SAVE_CODE,
  HVM_SAVE_TYPES,
  type HvmSaveName,
  type HvmSaveType,
  hvmSaveName,
} from "../format/hvm-save.ts";
import type { Layout } from "../format/layout.ts";
import { msrName } from "../format/msr.ts";
import { type BodySource, failure } from "./bodies.ts";
import { type Decoded, type DecodedValue, decodeLayout, hexText } from "./layout.ts";
import { viewOf } from "./steps.ts";
import { describeXsave } from "./xsave.ts";

/**
 * Most entries that are told apart.
 *
 * @inferred 128 vCPUs, Xen's limit, have about a thousand.
 */
const ENTRIES_MAX = 16_384;

/** Octets shown of what nothing is known of. */
const PREFIX_BYTES = 32;

/** One entry of HVM_CONTEXT. */
export interface HvmEntry {
  readonly typecode: number;
  /** `undefined` for typecodes that no header names. */
  readonly name: HvmSaveName | undefined;
  /** The vCPU's number, or which of a kind of device. */
  readonly instance: number;
  /** Of the descriptor, from the start of the record's body. */
  readonly bodyOffset: number;
  /** A view of the record's body. */
  readonly content: Uint8Array;
}

/** The entries of a context, and why there are no more. */
export interface HvmContext {
  /** END, where it was reached, is the last. */
  readonly entries: readonly HvmEntry[];
  /** Octets behind END, which Xen ignores. */
  readonly trailingBytes: number;
  /**
   * RECORD_LENGTH: an entry goes beyond the body, there is no END, or there are too many;
   * RECORD_VALUE: it does not start with HEADER, or that has another magic number or version.
   */
  readonly error?: MigrationError;
}

/** Splits HVM_CONTEXT into its entries, as far as they go. */
export function splitHvmContext(source: BodySource): HvmContext {
  const { body } = source;
  const entries: HvmEntry[] = [];
  let offset = 0;
  const broken = (problem: string) => ({
    entries,
    trailingBytes: 0,
    error: failure(source, "RECORD_LENGTH", { bodyOffset: offset, problem }),
  });
  while (offset + HVM_DESCRIPTOR_BYTES <= body.length) {
    if (entries.length === ENTRIES_MAX) {
      return broken("too many entries");
    }
    const entry = entryAt(body, offset);
    if (entry === undefined) {
      return broken("an entry is longer than what is left");
    }
    entries.push(entry);
    offset += HVM_DESCRIPTOR_BYTES + entry.content.length;
    if (entry.typecode === HVM_SAVE_CODE.END) {
      const error = headerError(source, entries);
      const trailingBytes = body.length - offset;
      return { entries, trailingBytes, ...(error === undefined ? {} : { error }) };
    }
  }
  return broken("there is no END");
}

/**
 * What an entry holds, by the names of Xen's structures.
 *
 * An entry of a length Xen never wrote has `unusual_length`; of what goes beyond the structure, and
 * of unknown types, `rest` has the first octets in hexadecimal.
 */
export function decodeHvmEntry({ name, content }: HvmEntry): Decoded {
  if (name === undefined) {
    return { rest: prefix(content) };
  }
  if (name === "END") {
    return content.length === 0 ? {} : { unusual_length: content.length };
  }
  const type = HVM_SAVE_TYPES[name];
  const layout = layoutOf(type, content);
  const decoded = decodeLayout(layout, content);
  const unusual = isUsualLength(type, content.length) ? {} : { unusual_length: content.length };
  switch (name) {
    case "CPU_XSAVE":
      return {
        ...decoded,
        ...describeXsave(stateMask(decoded), content.length - layout.sizeBytes),
        ...unusual,
      };
    case "CPU_MSR":
      return { ...decoded, ...describeMsrs(content), ...unusual };
    default: {
      const isBeyond = Object.keys(unusual).length > 0 && content.length > layout.sizeBytes;
      const rest = isBeyond ? { rest: prefix(content.subarray(layout.sizeBytes)) } : {};
      return { ...decoded, ...unusual, ...rest };
    }
  }
}

/** How what an entry holds is laid out; `undefined` for END, and types that nothing is known of. */
export function hvmEntryLayout({ name, content }: HvmEntry): Layout | undefined {
  return name === undefined || name === "END" ? undefined : layoutOf(HVM_SAVE_TYPES[name], content);
}

function layoutOf({ layouts }: HvmSaveType, content: Uint8Array): Layout {
  return layouts.find(({ sizeBytes }) => sizeBytes === content.length) ?? layouts.at(-1)!;
}

function entryAt(body: Uint8Array, offset: number): HvmEntry | undefined {
  const view = viewOf(body);
  const typecode = view.getUint16(offset, true);
  const contentBytes = view.getUint32(offset + 4, true);
  const contentAt = offset + HVM_DESCRIPTOR_BYTES;
  if (contentBytes > body.length - contentAt) {
    return undefined;
  }
  return {
    typecode,
    name: hvmSaveName(typecode),
    instance: view.getUint16(offset + 2, true),
    bodyOffset: offset,
    content: body.subarray(contentAt, contentAt + contentBytes),
  };
}

/** @source xen/common/hvm/save.c hvm_load; arch/x86/hvm/save.c arch_hvm_load */
function headerError(source: BodySource, [first]: readonly HvmEntry[]): MigrationError | undefined {
  if (first?.name !== "HEADER" || first.content.length < 8) {
    return failure(source, "RECORD_VALUE", { bodyOffset: 0, problem: "it starts with no HEADER" });
  }
  const view = viewOf(first.content);
  const [magic, version] = [view.getUint32(0, true), view.getUint32(4, true)];
  return magic === HVM_FILE_MAGIC && version === HVM_FILE_VERSION
    ? undefined
    : failure(source, "RECORD_VALUE", { bodyOffset: HVM_DESCRIPTOR_BYTES, magic, version });
}

function isUsualLength({ lengths }: HvmSaveType, bytes: number): boolean {
  return "atLeast" in lengths ? bytes >= lengths.atLeast : lengths.includes(bytes);
}

function stateMask({ xsave }: Decoded): DecodedValue | undefined {
  return typeof xsave === "object" && "xstate_bv" in xsave ? xsave.xstate_bv : undefined;
}

/** @source struct hvm_msr */
function describeMsrs(content: Uint8Array): Decoded {
  const view = viewOf(content);
  const room = Math.floor((content.length - HVM_MSR_HEAD_BYTES) / HVM_MSR_BYTES);
  const claimed = content.length >= 4 ? view.getUint32(0, true) : 0;
  const count = Math.max(0, Math.min(room, claimed));
  const msrs = Array.from({ length: count }, (_, index) => {
    const at = HVM_MSR_HEAD_BYTES + index * HVM_MSR_BYTES;
    const msr = view.getUint32(at, true);
    return {
      msr: hexText(msr),
      name: msrName(msr) ?? "",
      value: hexText(view.getBigUint64(at + 8, true)),
    };
  });
  return { msrs };
}

/** The first octets of something, in hexadecimal. */
function prefix(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, PREFIX_BYTES)).toString("hex");
  return bytes.length > PREFIX_BYTES ? `${shown}… ${bytes.length} octets` : shown;
}
