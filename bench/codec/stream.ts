import { PAGE_BYTES } from "#dist/base/units.js";
import {
  domainHeader,
  encodeDomainHeader,
  encodeImageHeader,
  imageHeader,
} from "#dist/codec/headers.js";
import { PageDataEncoder } from "#dist/codec/page-data.js";
import { encodeRecord } from "#dist/codec/record.js";
import { createReferenceEngine } from "#dist/engine/reference/engine.js";
import { GUEST_TYPE, LIBXC_RECORD } from "#dist/format/libxc.js";

/** A libxc stream of those records, as one piece of memory. */
export function streamOf(records: readonly (readonly Uint8Array[])[]): Uint8Array {
  const image = imageHeader();
  const head = [
    encodeImageHeader(image),
    encodeDomainHeader(domainHeader(GUEST_TYPE.X86_HVM, 4, 17), image.byteOrder),
    ...encodeRecord({ type: LIBXC_RECORD.STATIC_DATA_END, body: new Uint8Array(0) }),
  ];
  const end = encodeRecord({ type: LIBXC_RECORD.END, body: new Uint8Array(0) });
  return Buffer.concat([...head, ...records.flat(), ...end]);
}

/** PAGE_DATA records of `batchPages` pages each, with all pages of `window` in their order. */
export function pageDataRecords(
  window: Uint8Array,
  batchPages: number,
): readonly (readonly Uint8Array[])[] {
  const batchBytes = batchPages * PAGE_BYTES;
  const encoder = new PageDataEncoder(createReferenceEngine());
  const types = new Uint8Array(batchPages);
  return Array.from({ length: window.length / batchBytes }, (_, batch) => {
    const pfns = Uint32Array.from({ length: batchPages }, (__, page) => batch * batchPages + page);
    const pages = window.subarray(batch * batchBytes, (batch + 1) * batchBytes);
    return [encoder.encodeHead({ pfns, types }).slice(), pages];
  });
}
