import { readFile, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../src/base/clock.ts";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { createNativePump } from "../../src/migration/native-pump.ts";
import type { SendPump } from "../../src/migration/pump.ts";
import { createFileSink } from "../../src/transport/file-sink.ts";
import { probePump } from "../../src/transport/pump-addon.ts";

const PFN_COUNT = 8;
const { addon, reason } = probePump();

/** Pages for which so many channels are used. */
const PAGES_FOR = { one: 1, two: 8192, three: 12_288 };

/** A channel that is a file, and the records that came into it. */
async function channel(name: string) {
  const file = path.join(os.tmpdir(), `xenferry-channel-${name}-${process.pid}`);
  const sink = await createFileSink(file);
  onTestFinished(async () => {
    await sink.abort();
    await rm(file, { force: true });
  });
  const records = async () => {
    await sink.end();
    return recordsOf(await readFile(file));
  };
  return { sink, records };
}

/** `pages N`, or `end I of MASK`, for each record. */
function recordsOf(bytes: Buffer): readonly string[] {
  const records: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const bodyBytes = bytes.readUInt32LE(at + 4);
    const [first, second] = [bytes.readUInt32LE(at + 8), bytes.readUInt32LE(at + 12)];
    const isPages = bytes.readUInt32LE(at) === 1;
    records.push(isPages ? `pages ${first}` : `end ${first} of ${second.toString(2)}`);
    at += 8 + bodyBytes;
  }
  return records;
}

async function openPump() {
  const main = await channel("main");
  const bytes = new Uint8Array(PFN_COUNT * PAGE_BYTES).fill(1);
  const memory = {
    pfnCount: PFN_COUNT,
    windows: [{ firstPfn: 0, bytes }],
    gather: async () => undefined,
    populated: async () => undefined,
  };
  const options = { bytesPerSecondMax: 0, skipsUnchanged: false };
  const parts = { addon: addon!, memory, sink: main.sink, clock: systemClock, options };
  return { pump: createNativePump(parts), main };
}

const send = (pump: SendPump, pagesPlanned: number) =>
  pump.send({
    dirtyBitmap: Uint8Array.of(0xff, 0, 0, 0, 0, 0, 0, 0),
    deferredBitmap: new Uint8Array(8),
    pagesPlanned,
    elidesZeroPages: false,
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });

/** Without the records of pages, which either channel may have got. */
const ends = (records: readonly string[]) => records.filter((record) => record.startsWith("end"));

describe.runIf(addon !== undefined)(`iterations over channels (${reason ?? "add-on"})`, () => {
  it("are the stock stream where there is one channel", async () => {
    const { pump, main } = await openPump();
    await send(pump, PAGES_FOR.three);
    await send(pump, PAGES_FOR.one);
    expect(await main.records()).toEqual(["pages 8", "pages 8"]);
  });

  it("end on every channel that took part", async () => {
    const { pump, main } = await openPump();
    const other = await channel("other");
    pump.extras!.join(1, other.sink);
    await send(pump, PAGES_FOR.two);
    await send(pump, PAGES_FOR.two);
    const wanted = ["end 0 of 11", "end 1 of 11"];
    expect(ends(await main.records())).toEqual(wanted);
    expect(ends(await other.records())).toEqual(wanted);
  });

  it("wait for what the main channel carried alone before", async () => {
    const { pump, main } = await openPump();
    const other = await channel("other");
    pump.extras!.join(1, other.sink);
    await send(pump, PAGES_FOR.two);
    await send(pump, PAGES_FOR.one);
    await send(pump, PAGES_FOR.one);
    await send(pump, PAGES_FOR.two);
    const wanted = ["end 0 of 11", "end 2 of 11", "end 3 of 11"];
    expect(ends(await main.records())).toEqual(wanted);
    expect(ends(await other.records())).toEqual(wanted);
  });

  it("wait for what was sent before a channel joined", async () => {
    const { pump, main } = await openPump();
    const [first, second] = [await channel("first"), await channel("second")];
    await send(pump, PAGES_FOR.three);
    pump.extras!.join(1, first.sink);
    await send(pump, PAGES_FOR.three);
    pump.extras!.join(2, second.sink);
    await send(pump, PAGES_FOR.two);
    await send(pump, PAGES_FOR.three);
    expect(ends(await main.records())).toEqual([
      "end 0 of 11",
      "end 1 of 11",
      "end 2 of 11",
      "end 2 of 111",
      "end 3 of 111",
    ]);
    expect(ends(await second.records())).toEqual(["end 2 of 111", "end 3 of 111"]);
  });
});
