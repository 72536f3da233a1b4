import { PAGE_BYTES } from "#dist/base/units.js";
import { PushReader } from "#dist/codec/push.js";
import { encodeRecord } from "#dist/codec/record.js";
import { readStream } from "#dist/codec/stream-reader.js";
import type { PageEngine } from "#dist/engine/types.js";
import { RECORD_HEADER_BYTES } from "#dist/format/libxc.js";
import { plainRead } from "../baselines.ts";
import { type BenchCase, check } from "../case.ts";
import { randomWindow } from "../fixtures.ts";
import { pageDataRecords, streamOf } from "./stream.ts";

/** Many small records show what framing costs. An optional type that no specification knows. */
const RECORD_COUNT = 20_000;
const SMALL_BODY_BYTES = 64;
const SMALL_RECORD_BYTES = RECORD_HEADER_BYTES + SMALL_BODY_BYTES;
const UNKNOWN_OPTIONAL_TYPE = 0x8000_7fff;

const IMAGE_PAGES = 64 * 1024;
const BATCH_PAGES = 1024;
const CHUNK_BYTES = 2 ** 20;

export const recordCases: readonly BenchCase[] = [
  {
    name: "codec/write small records",
    bytesPerRun: RECORD_COUNT * SMALL_RECORD_BYTES,
    prepare() {
      const body = new Uint8Array(SMALL_BODY_BYTES).fill(1);
      const run = (): number => {
        let bytes = 0;
        for (let record = 0; record < RECORD_COUNT; record += 1) {
          for (const chunk of encodeRecord({ type: UNKNOWN_OPTIONAL_TYPE, body })) {
            bytes += chunk.length;
          }
        }
        return bytes;
      };
      check("bytes of records", run(), RECORD_COUNT * SMALL_RECORD_BYTES);
      return { run, baselines: [] };
    },
  },
  {
    name: "codec/read small records",
    bytesPerRun: RECORD_COUNT * SMALL_RECORD_BYTES,
    prepare(engine) {
      const body = new Uint8Array(SMALL_BODY_BYTES).fill(1);
      const record = encodeRecord({ type: UNKNOWN_OPTIONAL_TYPE, body });
      const stream = streamOf(Array.from({ length: RECORD_COUNT }, () => record));
      const run = (): number => readInPlace(engine, stream).records;
      // STATIC_DATA_END and END besides.
      check("records", run(), RECORD_COUNT + 2);
      return { run, baselines: [plainRead(stream)] };
    },
  },
  imageCase("codec/read image in place", readInPlace),
  imageCase("codec/read image pushed", readPushed),
];

interface Found {
  readonly records: number;
  readonly pages: number;
}

function imageCase(
  name: string,
  read: (engine: PageEngine, stream: Uint8Array) => Found,
): BenchCase {
  return {
    name,
    bytesPerRun: IMAGE_PAGES * PAGE_BYTES,
    prepare(engine) {
      const stream = streamOf(pageDataRecords(randomWindow(IMAGE_PAGES, "image"), BATCH_PAGES));
      const run = (): number => read(engine, stream).pages;
      check("pages", run(), IMAGE_PAGES);
      return { run, baselines: [plainRead(stream)] };
    },
  };
}

/** Answers the reader with views of the stream: the codec alone, nothing copied. */
function readInPlace(engine: PageEngine, stream: Uint8Array): Found {
  const steps = readStream(engine);
  const found = { records: 0, pages: 0 };
  let at = 0;
  let step = steps.next();
  while (step.done !== true) {
    const { value } = step;
    if (value.kind === "need") {
      const answer = stream.subarray(at, at + value.byteCount);
      at += answer.length;
      step = steps.next(answer);
    } else {
      found.records += Number(value.kind === "record");
      found.pages += value.kind === "page-data" ? value.pfns.length : 0;
      step = steps.next();
    }
  }
  return found;
}

/** Feeds the stream in chunks, as a pipe would. */
function readPushed(engine: PageEngine, stream: Uint8Array): Found {
  const found = { records: 0, pages: 0 };
  const reader = new PushReader(engine, (event) => {
    found.records += Number(event.kind === "record");
    found.pages += event.kind === "page-data" ? event.pfns.length : 0;
  });
  for (let at = 0; at < stream.length; at += CHUNK_BYTES) {
    reader.write(stream.subarray(at, at + CHUNK_BYTES));
  }
  reader.end();
  return found;
}
