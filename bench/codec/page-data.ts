import type { RecordEvent } from "#dist/codec/events.js";
import { PageDataDecoder, PageDataEncoder } from "#dist/codec/page-data.js";
import { LIBXC_RECORD, RECORD_HEADER_BYTES } from "#dist/format/libxc.js";
import { plainRead } from "../baselines.ts";
import { type BenchCase, check } from "../case.ts";
import { randomNumbers, randomWindow } from "../fixtures.ts";
import { pageDataRecords } from "./stream.ts";

const BATCH_PAGES = 1024;
const PFN_WORD_BYTES = 8;
/** A head is soon done: so many a run. */
const HEADS = 64;
const HEAD_BYTES_PER_RUN = HEADS * BATCH_PAGES * PFN_WORD_BYTES;

export const pageDataCases: readonly BenchCase[] = [
  {
    name: "codec/encode PAGE_DATA heads",
    bytesPerRun: HEAD_BYTES_PER_RUN,
    prepare(engine) {
      const encoder = new PageDataEncoder(engine);
      const pfns = randomNumbers(BATCH_PAGES, 2 ** 32, "pfns");
      const types = new Uint8Array(BATCH_PAGES);
      const run = (): number => {
        let bytes = 0;
        for (let head = 0; head < HEADS; head += 1) {
          bytes += encoder.encodeHead({ pfns, types }).length;
        }
        return bytes;
      };
      check("bytes of heads", run(), HEADS * (16 + BATCH_PAGES * PFN_WORD_BYTES));
      return { run, baselines: [plainRead(new Uint8Array(HEAD_BYTES_PER_RUN).fill(1))] };
    },
  },
  {
    name: "codec/decode PAGE_DATA heads",
    bytesPerRun: HEAD_BYTES_PER_RUN,
    prepare(engine) {
      const decoder = new PageDataDecoder(engine);
      const record = pageDataRecord();
      const run = (): number => {
        let pages = 0;
        for (let head = 0; head < HEADS; head += 1) {
          pages += decoder.decode(record).pfns.length;
        }
        return pages;
      };
      check("pages of heads", run(), HEADS * BATCH_PAGES);
      return { run, baselines: [plainRead(new Uint8Array(HEAD_BYTES_PER_RUN).fill(1))] };
    },
  },
];

/** A PAGE_DATA record as a reader hands it to the decoder. */
function pageDataRecord(): RecordEvent {
  const [chunks] = pageDataRecords(randomWindow(BATCH_PAGES, "pages"), BATCH_PAGES);
  return {
    kind: "record",
    layer: "libxc",
    offset: 0,
    type: LIBXC_RECORD.PAGE_DATA,
    name: "PAGE_DATA",
    isOptional: false,
    isInferred: false,
    byteOrder: "little",
    body: Buffer.concat(chunks!).subarray(RECORD_HEADER_BYTES),
    padding: new Uint8Array(0),
  };
}
