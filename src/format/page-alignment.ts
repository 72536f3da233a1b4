import { RECORD_OPTIONAL_MASK } from "./libxc.ts";

/**
 * Record that puts the pages of the PAGE_DATA behind it at a multiple of the page size in the file:
 * zeros, as many as that takes. It means nothing, and being optional is skipped by every reader.
 *
 * No specification has it. In a file the number reads "PAD" and 0x80.
 *
 * @source libxc-migration-stream.pandoc, "Records": types from 0x80000000 on are optional
 */
export const PAGE_ALIGNMENT = RECORD_OPTIONAL_MASK + 0x44_4150;

/** What pages are aligned to: the page size, which is all that direct input and output asks for. */
export const PAGE_ALIGN_BYTES = 4096;

/** Name of a record type of libxc's stream that is ours and not a specification's. */
export function ownRecordName(type: number): string | undefined {
  return type === PAGE_ALIGNMENT ? "PAGE_ALIGNMENT" : undefined;
}

/**
 * Octets of the PAGE_ALIGNMENT record, header included, that goes before a PAGE_DATA: a multiple of
 * 8 below 4096; 0 is no record.
 *
 * @param offset where it starts: a multiple of 8.
 * @param headBytes of the PAGE_DATA up to its pages, record header included: a multiple of 8.
 */
export function pageAlignmentBytes(offset: number, headBytes: number): number {
  const over = (offset + headBytes) % PAGE_ALIGN_BYTES;
  return over === 0 ? 0 : PAGE_ALIGN_BYTES - over;
}
