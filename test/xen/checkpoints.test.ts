import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { FakeXen, fakeLibraries, HVM, HVM_SUSPENDED, RAM } from "../support/fake-xen.ts";
import type { FakeLibxl, LibxlMessage } from "../support/libxl.ts";

const FRAMES = 640;
const LIVE = "1";
const PLAIN = "0";
const REMUS = "1";
const COLO = "2";
/** suspend, postcopy, checkpoint, switch_qemu_logdirty */
const SAVE_CALLBACKS = "184";
/** checkpoint, static_data_done, restore_results */
const RESTORE_CALLBACKS = "800";
const SUCCESS = [0, 0];
const GO_ON = 1;
const TAKE_OVER = 2;
const END = 0;

let xen: FakeXen;
let libraries: string;

beforeAll(() => {
  libraries = fakeLibraries(22);
});

beforeEach(() => {
  xen = new FakeXen(mkdtempSync(path.join(tmpdir(), "xenferry-checkpoints-")), libraries);
});

afterEach(() => rmSync(xen.folder, { recursive: true }));

const pageOf = (octet: number) => new Uint8Array(PAGE_BYTES).fill(octet);

/** What page 100 + n is rewritten with while the guest runs before checkpoint n. */
const rewritten = (checkpoint: number) => pageOf(0xa0 + checkpoint);

function makeGuest(domid: number): void {
  xen.makeGuest(domid, new Uint8Array(FRAMES).fill(RAM), (pfn) => pageOf(1 + (pfn % 100)));
}

function rewrite(domid: number, checkpoint: number): void {
  const pfn = 100 + checkpoint;
  const ram = xen.read(domid, "ram");
  ram.set(rewritten(checkpoint), pfn * PAGE_BYTES);
  xen.write(domid, "ram", ram);
  const dirty = new Uint8Array(FRAMES / 8);
  dirty[pfn >> 3] = 1 << (pfn & 7);
  xen.write(domid, "dirty", dirty);
  xen.write(domid, "context", new Uint8Array(50).fill(checkpoint));
}

async function all(
  libxl: FakeLibxl,
  answer: (message: LibxlMessage) => number | undefined,
): Promise<readonly LibxlMessage[]> {
  const messages: LibxlMessage[] = [];
  for (let message = await libxl.next(); message; message = await libxl.next()) {
    messages.push(message);
    const value = message.name === "complete" ? 0 : answer(message);
    if (value !== undefined) {
      libxl.answer(value);
    }
  }
  return messages;
}

/** Saves domain 5 with so many checkpoints behind the first; before each it rewrites a page. */
async function saveWithCheckpoints(count: number): Promise<readonly LibxlMessage[]> {
  makeGuest(5);
  let checkpoint = 0;
  const args = ["--save-domain", "3", "-1", "5", LIVE, SAVE_CALLBACKS, REMUS];
  return await all(xen.start(args, "image"), ({ name }) => {
    switch (name) {
      case "suspend":
        xen.write(5, "flags", HVM_SUSPENDED);
        return 1;
      case "postcopy":
        xen.write(5, "flags", HVM);
        return GO_ON;
      case "checkpoint":
        if (checkpoint === count) {
          return END;
        }
        checkpoint += 1;
        rewrite(5, checkpoint);
        return GO_ON;
      case "switch_qemu_logdirty":
        return 0;
      default:
        return undefined;
    }
  });
}

/** Restores the image into domain 6; libxl's answers to `checkpoint` come in their order. */
async function restore(
  answers: readonly number[],
  { streamType = REMUS, image = "image" } = {},
): Promise<readonly LibxlMessage[]> {
  xen.makeEmpty(6);
  const args = ["--restore-domain", "3", "-1", "6", "1", "0", "2", "0"];
  const left = [...answers];
  const libxl = xen.start([...args, RESTORE_CALLBACKS, streamType], image);
  return await all(libxl, ({ name }) => {
    return name === "static_data_done" ? 0 : name === "checkpoint" ? left.shift()! : undefined;
  });
}

const completion = (messages: readonly LibxlMessage[]) =>
  messages.find(({ name }) => name === "complete")?.values;

const logged = (messages: readonly LibxlMessage[], level: number) =>
  messages
    .filter(({ name, values }) => name === "log" && values[0] === level)
    .map(({ values }) => values[3]);

/** The checkpoint as of which domain 6 goes on. */
function restoredCheckpoint(): number {
  const context = xen.read(6, "context")[0]!;
  for (const checkpoint of [1, 2]) {
    const isThere = xen.page(6, 100 + checkpoint).equals(rewritten(checkpoint));
    expect(isThere, `page of checkpoint ${checkpoint}`).toBe(checkpoint <= context);
  }
  return context;
}

/** Where records of a type start, past both headers of the image. */
function recordsOf(image: Buffer, type: number): readonly number[] {
  const found: number[] = [];
  for (let at = 40; at < image.length; ) {
    if (image.readUInt32LE(at) === type) {
      found.push(at);
    }
    at += 8 + Math.ceil(image.readUInt32LE(at + 4) / 8) * 8;
  }
  return found;
}

const END_RECORD = 0;
const CHECKPOINT_RECORD = 0xe;

describe("a save with checkpoints", () => {
  test("goes on until libxl has enough, with log-dirty on all the while", async () => {
    const saved = await saveWithCheckpoints(2);
    expect(completion(saved), String(logged(saved, 8))).toEqual(SUCCESS);
    const questions = saved
      .map(({ name }) => name)
      .filter((name) => /suspend|postcopy|checkpoint/.test(name));
    const checkpoint = ["suspend", "postcopy", "checkpoint"];
    expect(questions).toEqual([...checkpoint, ...checkpoint, ...checkpoint]);
    const calls = xen.calls();
    expect(calls.filter((call) => !call.includes("mode"))).toEqual([
      "log-dirty 5 on",
      "log-dirty 5 off",
    ]);
    expect(calls.at(-1)).toBe("log-dirty 5 off");
    const image = readFileSync(path.join(xen.folder, "image"));
    expect(recordsOf(image, CHECKPOINT_RECORD)).toHaveLength(3);
    expect(recordsOf(image, END_RECORD)).toEqual([]);
  });

  test("sends with a checkpoint what was written since the last, and nothing else", async () => {
    await saveWithCheckpoints(2);
    const image = readFileSync(path.join(xen.folder, "image"));
    const [first, second] = recordsOf(image, CHECKPOINT_RECORD);
    const between = image.subarray(first! + 8, second);
    expect(between.includes(Buffer.from(rewritten(1)))).toBe(true);
    expect(between.length).toBeLessThan(2 * PAGE_BYTES);
  });

  test("of a guest that runs at both ends is refused before anything is touched", async () => {
    makeGuest(5);
    const args = ["--save-domain", "3", "-1", "5", LIVE, "248", COLO];
    const messages = await xen.start(args, "image").finish();
    expect(completion(messages)?.[0]).toBe(-1);
    expect(String(logged(messages, 8))).toContain("COLO");
    expect(xen.calls()).toEqual([]);
  });
});

describe("a restore with checkpoints", () => {
  test("goes on as of the last one when the stream ends", async () => {
    await saveWithCheckpoints(2);
    const messages = await restore([GO_ON, GO_ON, GO_ON]);
    expect(completion(messages), String(logged(messages, 8))).toEqual(SUCCESS);
    expect(String(logged(messages, 7))).toContain("as of its last checkpoint");
    expect(restoredCheckpoint()).toBe(2);
    expect(messages.find(({ name }) => name === "restore_results")?.values).toEqual([3, 4]);
  });

  test("uses nothing of a checkpoint that did not come whole", async () => {
    await saveWithCheckpoints(2);
    const file = path.join(xen.folder, "image");
    const image = readFileSync(file);
    const last = recordsOf(image, CHECKPOINT_RECORD)[2]!;
    writeFileSync(file, image.subarray(0, last + 4));
    const messages = await restore([GO_ON, GO_ON]);
    expect(completion(messages), String(logged(messages, 8))).toEqual(SUCCESS);
    expect(restoredCheckpoint()).toBe(1);
  });

  test("uses nothing of a checkpoint of which libxl's part did not come", async () => {
    await saveWithCheckpoints(2);
    const messages = await restore([GO_ON, GO_ON, TAKE_OVER]);
    expect(completion(messages), String(logged(messages, 8))).toEqual(SUCCESS);
    expect(restoredCheckpoint()).toBe(1);
  });

  test.each([
    ["libxl takes over before there is a whole one", [TAKE_OVER]],
    ["libxl fails", [GO_ON, END]],
  ])("fails where %s", async (_, answers) => {
    await saveWithCheckpoints(1);
    const messages = await restore(answers);
    expect(completion(messages)?.[0]).toBe(-1);
    expect(String(logged(messages, 8))).toContain("HELPER_CALLBACK_REFUSED");
  });

  test("takes no checkpoint that libxl did not speak of", async () => {
    await saveWithCheckpoints(1);
    const messages = await restore([], { streamType: PLAIN });
    expect(completion(messages)?.[0]).toBe(-1);
    expect(String(logged(messages, 8))).toContain("CHECKPOINT");
  });

  test("takes no more of a checkpoint than a guest can have", async () => {
    await saveWithCheckpoints(1);
    const file = path.join(xen.folder, "image");
    const image = readFileSync(file);
    const first = recordsOf(image, CHECKPOINT_RECORD)[0]!;
    // An optional record of 100 MiB: allowed by itself.
    const long = Buffer.alloc(8 + (100 << 20));
    long.writeUInt32LE(0x8000_1234, 0);
    long.writeUInt32LE(100 << 20, 4);
    writeFileSync(file, Buffer.concat([image.subarray(0, first + 8), long]));
    const messages = await restore([GO_ON]);
    expect(completion(messages), String(logged(messages, 8))).toEqual(SUCCESS);
    expect(String(logged(messages, 7))).toContain("CHECKPOINT_TOO_LONG");
    expect(xen.page(6, 101).equals(rewritten(1))).toBe(false);
  });
});
