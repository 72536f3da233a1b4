import { describe, expect, test } from "vitest";
import { ByteQueue } from "../../src/base/byte-queue.ts";
import { MigrationError } from "../../src/base/errors.ts";
import type { StreamEvent } from "../../src/codec/events.ts";
import { pullEvents } from "../../src/codec/pull.ts";
import { PushReader } from "../../src/codec/push.ts";
import { goldenStreams } from "../golden/build.ts";
import { hex, join, text } from "../support/bytes.ts";
import { collectEvents, pushEvents } from "../support/events.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { sourceOf } from "../support/sources.ts";
import { seededRandom } from "../support/splitmix32.ts";

const options = { purpose: "inspect", afterEnd: "read" } as const;
const streams = [...goldenStreams()];

/** Trailing octets come as they come; everything else does not depend on the chunks. */
function withTrailingJoined(events: readonly StreamEvent[]): readonly StreamEvent[] {
  const trailing = events.filter((event) => event.kind === "trailing");
  const others = events.filter((event) => event.kind !== "trailing");
  const [first] = trailing;
  return first === undefined
    ? others
    : [...others, { ...first, bytes: join(...trailing.map(({ bytes }) => bytes)) }];
}

describe.each(streams)("%s", (name, bytes) => {
  test("gives the same events however it is driven", async () => {
    const random = seededRandom(name.length);
    const whole = withTrailingJoined(pushEvents(bytes, options));
    expect(whole.length).toBeGreaterThan(5);
    const sizes = () => random.below(random.below(9) === 0 ? 9_000 : 20);
    expect(withTrailingJoined(pushEvents(bytes, options, () => 1))).toEqual(whole);
    expect(withTrailingJoined(pushEvents(bytes, options, sizes))).toEqual(whole);
    expect(withTrailingJoined(await collectEvents(bytes, options))).toEqual(whole);
    expect(withTrailingJoined(await collectEvents(bytes, options, sizes))).toEqual(whole);
  });

  test("cut at every record and at many octets is truncated there", async () => {
    const events = pushEvents(bytes, options);
    const length = endOf(events);
    const random = seededRandom(bytes.length);
    const cuts = new Set(Array.from({ length: 200 }, () => random.below(length)));
    for (const event of events) {
      if ("offset" in event && event.offset < length) {
        cuts.add(event.offset);
        cuts.add(event.offset + 1);
      }
    }
    for (const cut of cuts) {
      expectTruncated(() => pushEvents(bytes.subarray(0, cut), options), cut);
      await expect(collectEvents(bytes.subarray(0, cut))).rejects.toBeInstanceOf(MigrationError);
    }
  });
});

test("a small stream cut at every single octet", () => {
  const bytes = goldenStreams().get("hvm-v2.libxc")!;
  for (let cut = 0; cut < bytes.length; cut++) {
    expectTruncated(() => pushEvents(bytes.subarray(0, cut)), cut);
  }
});

test("a truncated record is named", async () => {
  const bytes = goldenStreams().get("hvm-v2.libxc")!;
  await expect(collectEvents(bytes.subarray(0, 100))).rejects.toMatchObject({
    code: "STREAM_TRUNCATED",
    where: { offset: 100, layer: "libxc", record: "PAGE_DATA", recordOffset: 40 },
  });
});

function endOf(events: readonly StreamEvent[]): number {
  const end = events.find((event) => event.kind === "end");
  return end?.offset ?? Number.NaN;
}

function expectTruncated(read: () => unknown, offset: number): void {
  let failure: unknown;
  try {
    read();
  } catch (error) {
    failure = error;
  }
  expect(failure, `cut at ${offset}`).toMatchObject({
    code: "STREAM_TRUNCATED",
    where: { offset },
  });
}

describe("PushReader", () => {
  const stream = goldenStreams().get("hvm-v2.libxc")!;

  test("takes no octet beyond the end", () => {
    const reader = new PushReader(plainHeadCodec, () => {});
    expect(reader.write(stream.subarray(0, 1000))).toBe(1000);
    expect(reader.isDone).toBe(false);
    const rest = join(stream.subarray(1000), text("READY"));
    expect(reader.write(rest)).toBe(rest.length - 5);
    expect(reader.isDone).toBe(true);
    expect(reader.write(text("more"))).toBe(0);
    reader.end();
  });

  test("fails again after a failure", () => {
    const reader = new PushReader(plainHeadCodec, () => {});
    expect(() => reader.write(text("not an image"))).toThrow(/STREAM_NOT_AN_IMAGE/);
    expect(() => reader.write(stream)).toThrow(/STREAM_NOT_AN_IMAGE/);
    expect(() => reader.end()).toThrow(/STREAM_NOT_AN_IMAGE/);
  });

  test("a record's claim costs no memory", () => {
    const before = process.memoryUsage().arrayBuffers;
    const reader = new PushReader(plainHeadCodec, () => {});
    reader.write(stream.subarray(0, 40));
    reader.write(hex("09000000 00000008"));
    for (let count = 0; count < 100; count++) {
      reader.write(new Uint8Array(1000));
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * 1024 * 1024);
    expect(() => reader.end()).toThrow(/STREAM_TRUNCATED/);
  });
});

describe("pullEvents", () => {
  test("leaves the source behind the end of the stream", async () => {
    const stream = goldenStreams().get("hvm-v3.xl")!;
    const source = sourceOf(join(text("banner"), stream, text("READY")));
    await source.exactly(6);
    let last: StreamEvent | undefined;
    for await (const event of pullEvents(source, plainHeadCodec)) {
      last = event;
    }
    expect(last).toEqual({ kind: "end", offset: stream.length });
    expect(await source.exactly(5)).toEqual(text("READY"));
  });

  test("passes on what is wrong with the source", async () => {
    const broken = new Error("wire cut");
    const source = {
      offset: 0,
      exactly: () => Promise.reject(broken),
      some: () => Promise.reject(broken),
      close: () => Promise.resolve(),
    };
    await expect(pullEvents(source, plainHeadCodec).next()).rejects.toBe(broken);
  });
});

describe("ByteQueue", () => {
  test("gives views of the chunk itself where it can", () => {
    const queue = new ByteQueue();
    const chunk = text("abcdefgh");
    queue.offer(chunk);
    expect(queue.take(3)!.buffer).toBe(chunk.buffer);
    expect(queue.availableBytes).toBe(5);
    expect(queue.take(6)).toBeUndefined();
    chunk.fill(0);
    queue.offer(text("ij"));
    expect(queue.take(6)).toEqual(text("defghi"));
    expect(queue.take(0)).toEqual(new Uint8Array(0));
    expect(queue.takeSome(9)).toEqual(text("j"));
    expect(queue.takeSome(9)).toBeUndefined();
  });

  test("keeps what was not asked for in front of what comes", () => {
    const queue = new ByteQueue();
    queue.offer(text("abc"));
    expect(queue.take(4)).toBeUndefined();
    expect(queue.takeSome(2)).toEqual(text("ab"));
    queue.offer(text("de"));
    expect(queue.take(3)).toEqual(text("cde"));
  });
});
