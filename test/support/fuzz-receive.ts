import assert from "node:assert/strict";
import { PAGE_BYTES } from "../../src/base/units.ts";
import {
  domainHeader,
  encodeDomainHeader,
  encodeImageHeader,
  imageHeader,
} from "../../src/codec/headers.ts";
import { StreamEncoder } from "../../src/codec/stream-writer.ts";
import { loadNativeEngine } from "../../src/engine/native.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { GUEST_TYPE } from "../../src/format/libxc.ts";
import { PAGE_ALIGNMENT, pageAlignmentBytes } from "../../src/format/page-alignment.ts";
import { join } from "./bytes.ts";
import { caseRandom, type FuzzSettings } from "./fuzz.ts";
import type { Random } from "./random.ts";
import {
  type ReceiveOutcome,
  receiveByEvents,
  receiveByThreads,
  receiveFromImage,
} from "./receive.ts";

const PFN_COUNT = 300;
const TYPES = [0x0, 0x0, 0x0, 0x1, 0x9, 0xc, 0xd, 0xe, 0xe, 0xf];

/**
 * A libxc stream of random PAGE_DATA records, frames repeated and in any order, and an END. In half
 * of the streams the pages are aligned.
 */
function randomStream(random: Random): Uint8Array {
  const encoder = new StreamEncoder(createReferenceEngine());
  const chunks: Uint8Array[] = [
    encodeImageHeader(imageHeader()),
    encodeDomainHeader(domainHeader(GUEST_TYPE.X86_HVM, 4, 17), "little"),
    record(0xf, 0),
  ];
  const isAligned = random.chance(0.5);
  for (let count = random.below(6); count > 0; count--) {
    const pageCount = 1 + random.below(random.chance(0.3) ? 200 : 8);
    const isRising = random.chance(0.5);
    const first = random.below(PFN_COUNT - Math.min(pageCount, PFN_COUNT - 1));
    const pfns = Uint32Array.from({ length: pageCount }, (_, index) =>
      isRising ? Math.min(first + index, PFN_COUNT - 1) : random.below(PFN_COUNT),
    );
    const types = Uint8Array.from(pfns, () => random.pick(TYPES));
    const pages = new Uint8Array(types.filter((type) => type < 0xd).length * PAGE_BYTES);
    for (let page = 0; page < pages.length; page += PAGE_BYTES) {
      pages.fill(random.below(256), page, page + PAGE_BYTES);
    }
    const head = encoder.encodePageDataHead({ pfns, types }).slice();
    const alignmentBytes = pageAlignmentBytes(join(...chunks).length, head.length);
    if (isAligned && alignmentBytes > 0) {
      chunks.push(record(PAGE_ALIGNMENT, alignmentBytes - 8));
    }
    chunks.push(head, pages);
    if (random.chance(0.2)) {
      chunks.push(record(0x8000_0001, 16));
    }
  }
  chunks.push(record(0, 0));
  return join(...chunks);
}

function record(type: number, bodyBytes: number): Uint8Array {
  const bytes = new Uint8Array(8 + bodyBytes);
  new DataView(bytes.buffer).setUint32(0, type, true);
  new DataView(bytes.buffer).setUint32(4, bodyBytes, true);
  return bytes;
}

/** Flips a bit of a head, or cuts: at most one fault, for two may be met in either order. */
function damaged(stream: Uint8Array, random: Random): Uint8Array {
  if (random.chance(0.3)) {
    return stream;
  }
  if (random.chance(0.4)) {
    return stream.subarray(0, 40 + random.below(stream.length - 40));
  }
  const bytes = stream.slice();
  const at =
    48 + random.below(Math.min(random.chance(0.5) ? 200 : bytes.length, bytes.length - 48));
  bytes[at] = bytes[at]! ^ (1 << random.below(8));
  return bytes;
}

/** Damages that a whole body must have come for; by threads they are found with its head. */
const HEAD_CODES = /^(PAGE_DATA_|GUEST_PFN_RANGE)/;

/**
 * Receives random streams, sound and damaged, by events and by threads, these from a pipe's end
 * and from a file in each way.
 *
 * @throws Error what one does and the other does not, with seed and case in the message.
 */
export async function fuzzReceive(settings: FuzzSettings): Promise<{
  readonly failures: number;
  /** Octets that were read past the page cache: 0 where the file system cannot. */
  readonly directBytes: number;
}> {
  const [events, threads] = [createReferenceEngine(), loadNativeEngine()];
  let failures = 0;
  let directBytes = 0;
  for (let iteration = 0; iteration < settings.iterations; iteration++) {
    const random = caseRandom(settings, iteration);
    const stream = damaged(randomStream(random), random);
    const wanted = await receiveByEvents(stream, events, PFN_COUNT);
    const found = {
      pipe: await receiveByThreads(stream, threads, PFN_COUNT),
      cached: await receiveFromImage(stream, threads, {
        pfnCount: PFN_COUNT,
        fileAccess: "cached",
      }),
      direct: await receiveFromImage(stream, threads, {
        pfnCount: PFN_COUNT,
        fileAccess: "direct",
        onDirectBytes: (byteCount) => {
          directBytes += byteCount;
        },
      }),
    };
    failures += wanted.failure === undefined ? 0 : 1;
    for (const [way, outcome] of Object.entries(found)) {
      compare(outcome, wanted, `SEED='${settings.seed}', case ${iteration}, ${way}`);
    }
  }
  return { failures, directBytes };
}

function compare(found: ReceiveOutcome, wanted: ReceiveOutcome, label: string): void {
  const isFoundEarlier =
    wanted.failure?.code === "STREAM_TRUNCATED" && HEAD_CODES.test(found.failure?.code ?? "");
  if (wanted.failure === undefined) {
    assert.deepEqual(found, wanted, label);
  } else if (!isFoundEarlier) {
    assert.deepEqual(found.failure, wanted.failure, label);
    assert.deepEqual(found.records, wanted.records, label);
  }
}
