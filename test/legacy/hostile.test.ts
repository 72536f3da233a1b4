import { describe, expect, test } from "vitest";
import { MigrationError } from "../../src/base/errors.ts";
import { convertStream } from "../../src/migration/convert.ts";
import { BufferedSource } from "../../src/transport/buffered-source.ts";
import { T } from "../golden/parts.ts";
import { join, octetsIn, text } from "../support/bytes.ts";
import { caseRandom, fuzzSettings } from "../support/fuzz.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { CollectingSink, convertBytes, failureOf } from "../support/legacy-run.ts";
import { after, before, CONTEXT, old, RECORD, STREAMS } from "../support/legacy-samples.ts";
import { noise } from "../support/samples.ts";
import { seededRandom } from "../support/splitmix32.ts";

const o = octetsIn("little");

describe.each(STREAMS)("%s", (_, stream) => {
  test("is sound", async () => {
    expect(await failureOf(stream)).toBeUndefined();
  });

  test("cut anywhere is a truncated stream, which says where it ended", async () => {
    for (let cut = 8; cut < stream.length; cut += cut % 4096 > 200 && cut % 7 === 0 ? 61 : 1) {
      const failure = await failureOf(stream.subarray(0, cut), { streamVersion: 1 });
      expect(failure, `cut at ${cut}`).toMatchObject({
        code: "STREAM_TRUNCATED",
        where: { offset: cut },
      });
    }
  });
});

test("a claim costs no memory: lengths are checked, and views grow with what came", async () => {
  const claims = [
    join(old.p2mSize(2 ** 28), old.extendedInfo(8), new Uint8Array(100)),
    join(before, old.chunk(-9), old.end(), o.u64(1, 2, 3), o.u32(100 << 20)),
    join(old.p2mSize(2 ** 28), o.u32(1024), o.u64(...Array(1024).keys())),
  ];
  for (const claim of claims) {
    const startBytes = process.memoryUsage().arrayBuffers;
    expect(await failureOf(claim)).toMatchObject({ code: "STREAM_TRUNCATED" });
    expect(process.memoryUsage().arrayBuffers - startBytes).toBeLessThan(20 << 20);
  }
});

/** Batches of 1,024 pages each, in memory that they share. */
function* batches(count: number): Generator<Uint8Array> {
  const bytes = join(o.u32(1024), new Uint8Array(1024 * 8), new Uint8Array(1024 * 4096).fill(7));
  const view = new DataView(bytes.buffer);
  for (let first = 0; first < count * 1024; first += 1024) {
    for (let index = 0; index < 1024; index++) {
      view.setUint32(4 + 8 * index, first + index, true);
    }
    yield bytes;
  }
}

/** Octets that this process holds while a guest of `batchCount` times 4 MiB is converted. */
async function heldBytes(batchCount: number, checkpoints: number): Promise<number> {
  const state = [old.end(), old.hvmTail(CONTEXT), old.emulator(RECORD, text("state"))];
  function* stream(): Generator<Uint8Array> {
    yield old.p2mSize(batchCount * 1024);
    for (let checkpoint = 0; checkpoint < checkpoints; checkpoint++) {
      yield* batches(batchCount);
      yield join(...state);
    }
  }
  let most = 0;
  const startBytes = process.memoryUsage().arrayBuffers;
  const sink = new CollectingSink();
  sink.write = async (...chunks) => {
    sink.offset += chunks.reduce((sum, { length }) => sum + length, 0);
    most = Math.max(most, process.memoryUsage().arrayBuffers - startBytes);
  };
  await convertStream({
    source: new BufferedSource(stream()),
    sink,
    pageDataHead: plainHeadCodec,
    format: "libxl",
    signal: new AbortController().signal,
  });
  expect(sink.offset).toBeGreaterThan(checkpoints * batchCount * (4 << 20));
  return most;
}

test("memory does not grow with the guest, nor with a checkpoint of it", async () => {
  expect(await heldBytes(96, 1)).toBeLessThan(48 << 20);
  expect(await heldBytes(40, 2)).toBeLessThan(48 << 20);
});

/** Sets fields to extreme values, flips bits, cuts. */
function damage(stream: Uint8Array, random: ReturnType<typeof seededRandom>): Uint8Array {
  const bytes = stream.slice();
  const view = new DataView(bytes.buffer);
  const extremes = [0, 1, 7, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fff3, 1024, 0xf000_0000];
  for (let times = 1 + random.below(3); times > 0; times--) {
    // Most octets are pages and registers, which nothing looks into: heads and tails are.
    const near = random.below(3) === 0 ? bytes.length : Math.min(bytes.length, 300);
    const offset = random.below(near - 4);
    const place = random.below(2) === 0 ? offset : bytes.length - 4 - offset;
    if (random.below(2) === 0) {
      view.setUint32(place, extremes[random.below(extremes.length)]!, true);
    } else {
      bytes[place] = bytes[place]! ^ (1 << random.below(8));
    }
  }
  return random.below(4) === 0 ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

test("damaged streams give a result or a code, never a crash (SEED, ITERATIONS)", async () => {
  const settings = fuzzSettings("legacy", 600);
  const two = join(
    before,
    ...[old.chunk(-13), old.end(), old.hvmTail(CONTEXT), old.emulator(RECORD, text("state"))],
    old.batchHead([3, T.NOTAB]),
    old.compressedData(o.u8(0x80), new Uint8Array(4096)),
    after,
  );
  const streams = [...STREAMS.map(([, stream]) => stream), two, noise(5000, 1)];
  const codes = new Set<string>();
  for (let iteration = 0; iteration < settings.iterations; iteration++) {
    const { nextUint32 } = caseRandom(settings, iteration);
    const random = seededRandom(nextUint32());
    const bytes = damage(streams[random.below(streams.length)]!, random);
    try {
      await convertBytes(bytes, { streamVersion: 1 }, 1 + random.below(5000));
      codes.add("none");
    } catch (error) {
      if (!(error instanceof MigrationError)) {
        throw new Error(`iteration ${iteration}: ${String(error)}`, { cause: error });
      }
      codes.add(error.code);
    }
  }
  expect(codes.size).toBeGreaterThan(9);
});
