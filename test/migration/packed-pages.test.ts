import { describe, expect, it } from "vitest";
import {
  domainHeader,
  encodeDomainHeader,
  encodeImageHeader,
  imageHeader,
} from "../../src/codec/headers.ts";
import { loadNativeEngine } from "../../src/engine/native.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { GUEST_TYPE } from "../../src/format/libxc.ts";
import { probePump } from "../../src/transport/pump-addon.ts";
import { join, octetsIn } from "../support/bytes.ts";
import { caseRandom, fuzzSettings } from "../support/fuzz.ts";
import { type FilledPages, fillsFor, packedRecord, plainRecord } from "../support/packed.ts";
import type { Random } from "../support/random.ts";
import { receiveByEvents, receiveByThreads } from "../support/receive.ts";

const PFN_COUNT = 200;
const { u32 } = octetsIn("little");
const { addon, reason } = probePump();

/** Octets of headers and STATIC_DATA_END before the first page data. */
const PAGES_AT = 48;

function streamOf(...records: readonly Uint8Array[]): Uint8Array {
  return join(
    encodeImageHeader(imageHeader()),
    encodeDomainHeader(domainHeader(GUEST_TYPE.X86_HVM, 4, 17), "little"),
    u32(0x10, 0),
    ...records,
    u32(0, 0),
  );
}

function randomPages(random: Random): FilledPages {
  const pfns = Array.from({ length: 1 + random.below(150) }, () => random.below(PFN_COUNT));
  const types = pfns.map(() => random.pick([0, 0, 0, 0xe, 0xf]));
  return { pfns, types, fills: fillsFor(types, () => random.below(256)) };
}

const receive = (stream: Uint8Array) => receiveByThreads(stream, loadNativeEngine(), PFN_COUNT);

/** Three pages in one pack, at 48: header 8, count 8, three words 24, then the pack's length. */
const PAGES: FilledPages = { pfns: [5, 6, 9], types: [0, 0, 0], fills: [1, 2, 3] };
const PACK_AT = PAGES_AT + 40;

describe.runIf(addon?.hasZstd === true)(`packed page data (${reason ?? "zstd"})`, () => {
  it("stores what the same pages do unpacked, whatever the packs", async () => {
    const settings = fuzzSettings("packed", 60);
    for (let iteration = 0; iteration < settings.iterations; iteration++) {
      const random = caseRandom(settings, iteration);
      const records = Array.from({ length: 1 + random.below(4) }, () => randomPages(random));
      const packed = records.map((pages) =>
        packedRecord(pages, () => random.pick(["zstd", "zstd", "plain"])),
      );
      const wanted = await receiveByEvents(
        streamOf(...records.map(plainRecord)),
        createReferenceEngine(),
        PFN_COUNT,
      );
      const found = await receive(streamOf(...packed));
      const label = `SEED='${settings.seed}', case ${iteration}`;
      expect(found.failure, label).toBeUndefined();
      expect(found.ram.equals(wanted.ram), label).toBe(true);
      expect(found, label).toMatchObject({
        entries: wanted.entries,
        dataPages: wanted.dataPages,
      });
    }
  });

  it("refuses what is damaged, and stores nothing outside", async () => {
    const settings = fuzzSettings("packed-damage", 200);
    let failures = 0;
    for (let iteration = 0; iteration < settings.iterations; iteration++) {
      const random = caseRandom(settings, iteration);
      const stream = streamOf(
        packedRecord(randomPages(random), () => random.pick(["zstd", "plain"])),
      );
      const at = PAGES_AT + random.below(Math.min(stream.length - PAGES_AT, 400));
      stream[at]! ^= 1 << random.below(8);
      const { failure, ram } = await receive(stream);
      failures += failure === undefined ? 0 : 1;
      expect(ram).toHaveLength(PFN_COUNT * 4096);
    }
    expect(failures).toBeGreaterThan(50);
  });

  it.each([
    ["a pack of no octets", PACK_AT, u32(0)],
    ["a pack longer than its pages", PACK_AT, u32(3 * 4096 + 1)],
    ["a pack longer than the record", PACK_AT, u32(4096)],
    ["a pack that is no frame", PACK_AT + 4, u32(0)],
    ["a frame of another length", PACK_AT + 4 + 5, u32(2 * 4096)],
  ])("refuses %s", async (_what, at, bytes) => {
    const stream = streamOf(packedRecord(PAGES, () => "zstd"));
    stream.set(bytes, at);
    const { failure } = await receive(stream);
    expect(failure).toMatchObject({
      code: "PAGE_DATA_COMPRESSION",
      where: { offset: PAGES_AT },
    });
  });

  it("refuses octets behind the last pack", async () => {
    const record = packedRecord(PAGES, () => "zstd");
    const longer = join(record, new Uint8Array(8));
    longer.set(u32(record.readUInt32LE(4) + 8), 4);
    const { failure } = await receive(streamOf(longer));
    expect(failure).toMatchObject({ code: "PAGE_DATA_COMPRESSION", where: { offset: PAGES_AT } });
  });

  it("tells where the stream ends", async () => {
    const stream = streamOf(packedRecord(PAGES, () => "zstd")).subarray(0, PACK_AT + 10);
    const { failure } = await receive(stream);
    expect(failure).toMatchObject({
      code: "STREAM_TRUNCATED",
      where: { offset: PACK_AT + 10, recordOffset: PAGES_AT },
    });
  });

  it("is not known to who takes pages by events", async () => {
    const stream = streamOf(packedRecord(PAGES, () => "zstd"));
    const { failure } = await receiveByEvents(stream, createReferenceEngine(), PFN_COUNT);
    expect(failure).toMatchObject({ code: "RECORD_UNKNOWN", where: { offset: PAGES_AT } });
  });
});
