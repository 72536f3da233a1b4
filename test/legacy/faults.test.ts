import { expect, test } from "vitest";
import { MigrationError } from "../../src/base/errors.ts";
import { convertStream } from "../../src/migration/convert.ts";
import { Parts, T } from "../golden/parts.ts";
import { join, octetsIn, text } from "../support/bytes.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { type Changes, CollectingSink, failureOf } from "../support/legacy-run.ts";
import { after, before, CONTEXT, hvm, old, PAGES, pv, RECORD } from "../support/legacy-samples.ts";
import { sourceOf } from "../support/sources.ts";

const o = octetsIn("little");

interface Fault {
  readonly what: string;
  readonly stream: Uint8Array;
  readonly code: string;
  readonly where: object;
  readonly changes?: Changes;
}

const inBody = (part: Uint8Array) => join(before, part, after);
const at = { offset: before.length };

/** A PV stream with that extended info. */
const pvWith = (...blocks: readonly Uint8Array[]) =>
  join(old.p2mSize(16), old.extendedBlocks(...blocks), pv(64).subarray(8));
const vcpuBlock = old.block("vcpu", new Uint8Array(0xaf0));
const afterMark = { offset: 16, record: "extended info" };

/** Up to the tail of a PV guest of 32 bits with XSAVE areas. */
const pvUpToTail = join(
  old.p2mSize(16),
  old.extendedInfo(4, 848),
  old.ulong(3),
  old.batch(...PAGES),
  old.chunk(-9),
  old.end(),
);

const FAULTS: readonly Fault[] = [
  {
    what: "another width than was said",
    stream: hvm(64),
    changes: { width: 32 },
    code: "LEGACY_WIDTH",
    where: { offset: 0, width: 64, expectedWidth: 32 },
  },
  {
    what: "another width than was said, without a device model behind",
    stream: hvm(32),
    changes: { width: 64, format: "libxc", emulator: "leave" },
    code: "LEGACY_WIDTH",
    where: { width: 32, expectedWidth: 64 },
  },
  {
    what: "another width, behind xl's header",
    stream: join(old.xlHeader("{}", 1), pv(32)),
    changes: { width: 64 },
    code: "LEGACY_WIDTH",
    where: { offset: old.xlHeader("{}", 1).length },
  },
  {
    what: "another guest than was said",
    stream: pv(64),
    changes: { guest: "hvm" },
    code: "LEGACY_GUEST_TYPE",
    where: { offset: 0, guest: "pv", expectedGuest: "hvm" },
  },
  {
    what: "HVM where PV was said",
    stream: hvm(32),
    changes: { guest: "pv" },
    code: "LEGACY_GUEST_TYPE",
    where: { guest: "hvm", expectedGuest: "pv" },
  },
  {
    what: "Migration v2 where a legacy stream was said",
    stream: join(new Parts().libxcHeaders(3, 2), new Parts().signal(0x10), new Parts().signal(0)),
    changes: { streamVersion: 1 },
    code: "LEGACY_NOT",
    where: { version: 2 },
  },
  {
    what: "a legacy stream where Migration v2 was said",
    stream: hvm(64),
    changes: { streamVersion: 2 },
    code: "STREAM_LEGACY",
    where: { offset: 0 },
  },
  {
    what: "no xl header where one was said",
    stream: hvm(64),
    changes: { xlHeader: "with" },
    code: "LEGACY_XL_HEADER",
    where: { found: "without", expected: "with" },
  },
  {
    what: "an xl header where none was said",
    stream: join(old.xlHeader("{}", 1), hvm(64)),
    changes: { xlHeader: "without" },
    code: "LEGACY_XL_HEADER",
    where: { found: "with" },
  },
  {
    what: "something that is no image",
    stream: text("#!/bin/sh\nexit 0\n"),
    code: "STREAM_NOT_AN_IMAGE",
    where: { offset: 0 },
  },
  {
    what: "a guest of no frames",
    stream: join(old.p2mSize(0), old.batch(...PAGES)),
    changes: { streamVersion: 1 },
    code: "LEGACY_P2M_SIZE",
    where: { offset: 0, pfnCount: 0 },
  },
  {
    what: "a guest of more frames than can be named",
    stream: join(old.p2mSize(2 ** 28 + 1), old.batch(...PAGES)),
    changes: { streamVersion: 1 },
    code: "LEGACY_P2M_SIZE",
    where: { pfnCount: 2 ** 28 + 1 },
  },
  {
    what: "a file of xend that is none",
    stream: join(text("LinuxGuestRecipe"), hvm(64)),
    code: "LEGACY_NOT",
    where: { offset: 0 },
  },
  {
    what: "a configuration of xend without end",
    stream: join(text("LinuxGuestRecord"), octetsIn("big").u32(0xffff_ffff), hvm(64)),
    code: "LEGACY_LENGTH",
    where: { offset: 0, bytes: 0xffff_ffff },
  },
  {
    what: "a chunk of no kind",
    stream: inBody(old.chunk(-22)),
    code: "LEGACY_CHUNK",
    where: { ...at, id: -22 },
  },
  {
    what: "a batch too large",
    stream: inBody(o.u32(1025)),
    code: "LEGACY_LENGTH",
    where: { ...at, bytes: 1025, bytesMax: 1024 },
  },
  {
    what: "a frame beyond the guest",
    stream: inBody(old.batch([3, T.NOTAB, 1], [16, T.NOTAB, 1])),
    code: "LEGACY_PFN",
    where: { ...at, index: 1, pfn: 16, pfnCount: 16 },
  },
  {
    what: "a frame twice in a batch",
    stream: inBody(old.batch([5, T.NOTAB, 1], [3, T.NOTAB, 1], [5, T.L1, 1])),
    code: "LEGACY_PFN",
    where: { ...at, index: 2, pfn: 5 },
  },
  {
    what: "bits above 32 in a frame's word",
    stream: inBody(join(o.u32(1), o.u64(0x1_0000_0003), new Uint8Array(4096))),
    code: "LEGACY_PFN",
    where: { ...at, index: 0 },
  },
  {
    what: "a page type that does not exist",
    stream: inBody(old.batch([3, 5, 1])),
    code: "LEGACY_PAGE_TYPE",
    where: { ...at, index: 0, pfn: 3, pageType: 5 },
  },
  {
    what: "tmem",
    stream: inBody(old.chunk(-5, o.u32(1, 16))),
    code: "LEGACY_TMEM",
    where: { ...at, record: "TMEM" },
  },
  {
    what: "tmem's second chunk",
    stream: inBody(old.chunk(-6)),
    code: "LEGACY_TMEM",
    where: { record: "TMEM_EXTRA" },
  },
  {
    what: "too many vCPUs",
    stream: inBody(old.chunk(-2, o.u32(4096))),
    code: "LEGACY_VCPU",
    where: { ...at, maxId: 4096 },
  },
  {
    what: "a negative number of vCPUs",
    stream: inBody(old.chunk(-2, o.u32(0xffff_ffff))),
    code: "LEGACY_VCPU",
    where: { maxId: -1 },
  },
  {
    what: "no vCPU",
    stream: inBody(old.vcpuInfo(3, 0n)),
    code: "LEGACY_VCPU",
    where: { ...at, maxId: 3 },
  },
  {
    what: "compressed data that was not announced",
    stream: inBody(old.compressedData(o.u8(0))),
    code: "LEGACY_COMPRESSION",
    where: at,
  },
  {
    what: "a toolstack's chunk without end",
    stream: inBody(old.chunk(-18, o.u32(0xffff_fff0))),
    code: "LEGACY_LENGTH",
    where: { ...at, bytes: 0xffff_fff0 },
  },
  {
    what: "a toolstack's chunk of 4 octets",
    stream: inBody(old.chunk(-18, o.u32(4, 1))),
    code: "LEGACY_TOOLSTACK",
    where: { ...at, bodyBytes: 4 },
  },
  {
    what: "a toolstack of another version",
    stream: inBody(old.chunk(-18, o.u32(8, 2, 0))),
    code: "LEGACY_TOOLSTACK",
    where: { version: 2 },
  },
  {
    what: "more entries of a toolstack than there are",
    stream: inBody(old.chunk(-18, o.u32(8, 1, 0xffff_ffff))),
    code: "LEGACY_TOOLSTACK",
    where: { index: 0 },
  },
  {
    what: "a name longer than the chunk",
    stream: inBody(old.chunk(-18, o.u32(36, 1, 1), o.u64(1, 2, 3), o.u32(0xffff_fff0))),
    code: "LEGACY_TOOLSTACK",
    where: { index: 0 },
  },
  {
    what: "a name without its NUL",
    stream: inBody(old.chunk(-18, o.u32(42, 1, 1), o.u64(1, 2, 3), o.u32(2), text("abcdef"))),
    code: "LEGACY_TOOLSTACK",
    where: at,
  },
  {
    what: "a context without end",
    stream: join(before, old.chunk(-9), old.end(), o.u64(1, 2, 3), o.u32(0xffff_ffff)),
    code: "LEGACY_LENGTH",
    where: { record: "hvm tail", offset: before.length + 8 },
  },
  {
    what: "a device model of no known kind",
    stream: join(before, old.chunk(-9), old.end(), old.hvmTail(CONTEXT), text("x".repeat(40))),
    code: "LEGACY_EMULATOR",
    where: { record: "device model", offset: before.length + 8 + 28 + CONTEXT.length },
  },
  {
    what: "a device model's state without end",
    stream: join(
      before,
      old.chunk(-9),
      old.end(),
      old.hvmTail(CONTEXT),
      text(RECORD),
      o.u32(0xffff_ffff),
    ),
    code: "LEGACY_LENGTH",
    where: { record: "device model" },
  },
  {
    what: "a PV guest whose mark is half a mark",
    stream: join(old.p2mSize(16), o.u32(0xffff_ffff, 1)),
    code: "LEGACY_EXTENDED_INFO",
    where: { offset: 0 },
  },
  {
    what: "a PV guest with a param of HVM",
    stream: join(
      old.p2mSize(16),
      old.extendedInfo(8),
      old.ulong(3),
      old.batch(...PAGES),
      old.param(-3, 1),
    ),
    code: "LEGACY_CHUNK_GUEST",
    where: { record: "HVM_IDENT_PT", guest: "pv" },
  },
  {
    what: "extended info without end",
    stream: join(old.p2mSize(16), o.u64(0xffff_ffff_ffff_ffffn), o.u32(0xffff_fff0)),
    code: "LEGACY_LENGTH",
    where: afterMark,
  },
  {
    what: "no block that tells the word size",
    stream: pvWith(old.block("extv", new Uint8Array(0))),
    code: "LEGACY_EXTENDED_INFO",
    where: afterMark,
  },
  {
    what: "a block of vCPU registers of no known size",
    stream: pvWith(old.block("vcpu", new Uint8Array(100))),
    code: "LEGACY_EXTENDED_INFO",
    where: { ...afterMark, blockBytes: 100 },
  },
  {
    what: "a block that ends behind extended info",
    stream: join(
      old.p2mSize(16),
      o.u64(0xffff_ffff_ffff_ffffn),
      o.u32(16),
      text("extv"),
      o.u32(9),
      new Uint8Array(64),
    ),
    code: "LEGACY_EXTENDED_INFO",
    where: { ...afterMark, block: "extv", blockBytes: 9, totalBytes: 16 },
  },
  {
    what: "an xcnt block of 2 octets",
    stream: pvWith(vcpuBlock, old.block("xcnt", new Uint8Array(2))),
    code: "LEGACY_EXTENDED_INFO",
    where: { ...afterMark, block: "xcnt" },
  },
  {
    what: "more unmapped frames than frames",
    stream: join(pvUpToTail, o.u32(17)),
    code: "LEGACY_LENGTH",
    where: { record: "unmapped pfns", unmappedCount: 17 },
  },
  {
    what: "an XSAVE area without end",
    stream: join(pvUpToTail, o.u32(0), new Uint8Array(0xaf0 + 128), o.u64(7, 1n << 40n)),
    code: "LEGACY_LENGTH",
    where: { record: "vcpu 0", bytes: 1n << 40n },
  },
];

test.each(FAULTS)("$what is refused: $code", async ({ stream, code, where, changes }) => {
  const failure = await failureOf(stream, changes);
  expect(failure).toMatchObject({ code, where });
  expect(failure).toBeInstanceOf(MigrationError);
});

test("libxl gets its header from a stream that is refused, too: without, it crashes", async () => {
  const sink = new CollectingSink();
  const converted = convertStream({
    source: sourceOf(hvm(64)),
    sink,
    pageDataHead: plainHeadCodec,
    format: "libxl",
    width: 32,
    signal: new AbortController().signal,
  });
  await expect(converted).rejects.toMatchObject({ code: "LEGACY_WIDTH" });
  const v2 = new Parts();
  expect(join(...sink.chunks)).toEqual(join(v2.libxlHeader(2), v2.signal(1)));
});
