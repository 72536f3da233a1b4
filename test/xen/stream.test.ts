import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  countCheckpoints,
  differences,
  differingPfns,
  type Image,
  readImage,
  rewrittenByRestore,
} from "./stream.ts";

const folder = mkdtempSync(path.join(tmpdir(), "xenferry-stream-"));
afterAll(() => rmSync(folder, { recursive: true }));

const NONE = Buffer.alloc(0);
const END = record(0, NONE);
const XALLOC = 14;
const ONES = Buffer.alloc(4096, 1);
const TWOS = Buffer.alloc(4096, 2);
const ZEROES = Buffer.alloc(4096);

describe("the second reader of images", () => {
  test("keeps of each pfn what was sent last, and counts what was sent", () => {
    const image = imageOf(
      pageData([[5, 0, ONES]]),
      pageData([
        [5, 0, TWOS],
        [7, XALLOC],
      ]),
    );
    expect(image.pages.get(5)).toEqual(TWOS);
    expect(image.types[7]).toBe(XALLOC);
    expect([image.sentPages, image.sentXalloc]).toEqual([2, 1]);
  });

  test("takes an image that differs in batches and in page order for the same", () => {
    const one = imageOf(
      pageData([
        [1, 0, ONES],
        [2, 0, TWOS],
      ]),
    );
    const other = imageOf(pageData([[2, 0, TWOS]]), pageData([[1, 0, ONES]]));
    expect(differences(one, other, one)).toEqual([]);
  });

  test("takes an allocated frame for a page of zeroes, of another type", () => {
    const sent = imageOf(pageData([[1, 0, ZEROES]]));
    const elided = imageOf(pageData([[1, XALLOC]]));
    expect(differingPfns(sent, elided)).toEqual([]);
    expect(differences(sent, elided, sent)).toEqual(["1 page types: pfn 0x1"]);
  });

  test("names pages, page types and records that differ", () => {
    const one = imageOf(
      pageData([
        [1, 0, ONES],
        [2, 0, ONES],
      ]),
      record(9, Buffer.from("01234567")),
    );
    const other = imageOf(
      pageData([
        [1, 0, TWOS],
        [2, 1, ONES],
      ]),
      record(9, Buffer.from("0123x567")),
    );
    expect(differences(one, other, one)).toEqual([
      "record type 9 (8 bytes) from byte 0",
      "1 page types: pfn 0x2",
      "1 pages: pfn 0x1",
    ]);
  });

  test("misses a page that only one image has", () => {
    const one = imageOf(pageData([[1, 0, ONES]]));
    expect(differingPfns(one, imageOf())).toEqual([1]);
  });

  test("overlooks words of a record that differ between two images from one hand", () => {
    const timed = (time: number, mode: number) => {
      const body = Buffer.alloc(24);
      body.writeUInt32LE(mode, 0);
      body.writeUInt32LE(time, 8);
      return imageOf(record(8, body));
    };
    expect(differences(timed(1, 0), timed(2, 0), timed(3, 0))).toEqual([]);
    expect(differences(timed(1, 0), timed(2, 4), timed(3, 0))).toHaveLength(1);
    expect(differences(timed(1, 0), timed(2, 0), timed(1, 0))).toHaveLength(1);
  });

  test("knows the pages a restore writes to", () => {
    const frames = Buffer.alloc(16);
    frames.writeUInt32LE(0x20, 8);
    const vcpu = Buffer.alloc(8 + 5168);
    vcpu.writeUInt32LE(0x1234, 8 + 512 + 8 + 12 * 8);
    const params = Buffer.alloc(8 + 3 * 16);
    for (const [at, word] of [1, 0xfeffc, 32, 0xfeff0, 33, 2].entries()) {
      params.writeUInt32LE(word, 8 + 8 * at);
    }
    const image = imageOf(record(3, frames), record(4, vcpu), record(10, params));
    const special = [0xfeffc, 0xfeff0, 2, 0xfeff1];
    expect([...rewrittenByRestore(image)]).toEqual([0x20, 0x1234, ...special]);
  });

  test("counts checkpoints, and only those that are whole", () => {
    const xl = Buffer.concat([
      Buffer.from("Xen saved domain, xl format\n \0 \r"),
      Buffer.alloc(16),
    ]);
    const libxl = Buffer.concat([Buffer.from("LibxlFmt"), Buffer.alloc(8), record(1, NONE)]);
    const checkpoint = Buffer.concat([pageData([[1, 0, ONES]]), record(14, NONE), record(4, NONE)]);
    const start = [xl, libxl, Buffer.alloc(40)];
    expect(countCheckpoints(Buffer.concat([...start, checkpoint, checkpoint]))).toBe(2);
    const cut = checkpoint.subarray(0, -4);
    expect(countCheckpoints(Buffer.concat([...start, checkpoint, cut]))).toBe(1);
    expect(countCheckpoints(xl)).toBe(0);
  });

  test("refuses an image that is cut", () => {
    const whole = Buffer.concat([Buffer.alloc(40), pageData([[1, 0, ONES]])]);
    expect(() => read(whole.subarray(0, 4000))).toThrow(/cut within a record of type 1/);
  });
});

function imageOf(...records: readonly Buffer[]): Image {
  return read(Buffer.concat([Buffer.alloc(40), ...records, END]));
}

function read(bytes: Buffer): Image {
  const file = path.join(folder, "image");
  writeFileSync(file, bytes);
  return readImage(file);
}

function record(type: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body, Buffer.alloc((8 - (body.length % 8)) % 8)]);
}

/** Entries of pfn, page type and, for types with data, the page. */
function pageData(entries: readonly (readonly [number, number, Buffer?])[]): Buffer {
  const head = Buffer.alloc(8 + 8 * entries.length);
  head.writeUInt32LE(entries.length, 0);
  entries.forEach(([pfn, type], index) => {
    head.writeUInt32LE(pfn, 8 + 8 * index);
    head.writeUInt32LE(type * 2 ** 28, 8 + 8 * index + 4);
  });
  return record(1, Buffer.concat([head, ...entries.flatMap(([, , page]) => page ?? [])]));
}
