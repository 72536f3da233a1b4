import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { parseProfile } from "../../src/report/profile.ts";
import { BROKEN, FakeXen, fakeLibraries, HOLE, RAM } from "../support/fake-xen.ts";
import type { LibxlMessage } from "../support/libxl.ts";

const FRAMES = 2000;
const LIVE = 1;
const LIVE_DEBUG = 3;

/** What Xen's own helper writes: no page without its data, no frame left out. */
const AS_XEN = { XENFERRY_ZERO_PAGES: "send" };

let xen: FakeXen;
let libraries: string;

beforeAll(() => {
  libraries = fakeLibraries(22);
});

beforeEach(() => {
  xen = new FakeXen(mkdtempSync(path.join(tmpdir(), "xenferry-fake-xen-")), libraries);
});

afterEach(() => rmSync(xen.folder, { recursive: true }));

/** Every third page is of zeros; there is a hole, a broken page, and an end at no boundary. */
function makeGuest(domid: number): Uint8Array {
  const types = new Uint8Array(FRAMES).fill(RAM);
  types.fill(HOLE, 1100, 1300);
  types[1500] = BROKEN;
  xen.makeGuest(domid, types, pageOf);
  return types;
}

function pageOf(pfn: number): Uint8Array {
  return new Uint8Array(PAGE_BYTES).fill(pfn % 3 === 0 ? 0 : 1 + (pfn % 251));
}

const completion = (messages: readonly LibxlMessage[]) =>
  messages.find(({ name }) => name === "complete")?.values;

const logged = (messages: readonly LibxlMessage[], level: number) =>
  messages
    .filter(({ name, values }) => name === "log" && values[0] === level)
    .map(({ values }) => values[3]);

const SUCCESS = [0, 0];

/** Frames whose pages differ between two domains; rings that restore clears are left out. */
function differences(one: number, other: number, types: Uint8Array): readonly number[] {
  const rings = [3, 4];
  const ours = xen.read(one, "ram");
  const theirs = xen.read(other, "ram");
  return [...types.keys()].filter((pfn) => {
    const range = [pfn * PAGE_BYTES, (pfn + 1) * PAGE_BYTES] as const;
    const isCompared = types[pfn] === RAM && !rings.includes(pfn);
    return isCompared && !ours.subarray(...range).equals(theirs.subarray(...range));
  });
}

describe.each([
  ["left out", {}],
  ["sent", AS_XEN],
])("an HVM guest whose zero pages are %s", (_, environment) => {
  test("is the same after save and restore", async () => {
    const types = makeGuest(5);
    const saved = await xen.save(5, { image: "image", environment });
    expect(completion(saved), String(logged(saved, 8))).toEqual(SUCCESS);
    xen.makeEmpty(6);
    const restored = await xen.restore(6, "image");
    expect(completion(restored), String(logged(restored, 8))).toEqual(SUCCESS);
    expect(differences(5, 6, types)).toEqual([]);
    for (const what of ["context", "tsc", "cpuid", "msr"]) {
      expect(xen.read(6, what).equals(xen.read(5, what)), what).toBe(true);
    }
    expect(xen.read(6, "params").readBigUInt64LE(32 * 8)).toBe(0xfeff0n);
  });
});

describe("a restore", () => {
  test("gives memory in superpages where the stream names them whole", async () => {
    const types = makeGuest(5);
    await xen.save(5, { image: "image" });
    xen.makeEmpty(6);
    await xen.restore(6, "image");
    expect(xen.calls().filter((call) => call.startsWith("populate"))).toEqual([
      "populate 6 order 9 count 1 first 0",
      "populate 6 order 9 count 1 first 512",
      "populate 6 order 0 count 775 first 1024",
    ]);
    expect([...xen.read(6, "types")].map((type) => type === RAM)).toEqual(
      [...types].map((type) => type === RAM),
    );
  });

  test("empties the rings, connects xenstore and console, and tells libxl of them", async () => {
    makeGuest(5);
    await xen.save(5, { image: "image" });
    xen.makeEmpty(6);
    const messages = await xen.restore(6, "image");
    expect(xen.page(6, 4).every((octet) => octet === 0)).toBe(true);
    expect(xen.calls().slice(-4)).toEqual([
      "clear 6 frame 3",
      "clear 6 frame 4",
      "context 6",
      "grants 6 hvm 1 console 4 of 0 store 3 of 0",
    ]);
    const params = xen.read(6, "params");
    expect([params.readBigUInt64LE(2 * 8), params.readBigUInt64LE(18 * 8)]).toEqual([1n, 2n]);
    expect(messages.find(({ name }) => name === "static_data_done")?.values).toEqual([0]);
    expect(messages.find(({ name }) => name === "restore_results")?.values).toEqual([3, 4]);
  });
});

describe("a live save", () => {
  test("switches log-dirty on, reads it to the end, and off", async () => {
    const types = makeGuest(5);
    const fresh = new Uint8Array(PAGE_BYTES).fill(0x77);
    const onSuspend = () => {
      const ram = xen.read(5, "ram");
      const dirty = new Uint8Array(FRAMES / 8);
      for (const pfn of [6, 1999]) {
        ram.set(fresh, pfn * PAGE_BYTES);
        dirty[pfn >> 3]! |= 1 << (pfn & 7);
      }
      xen.write(5, "ram", ram);
      xen.write(5, "dirty", dirty);
    };
    const saved = await xen.save(5, { image: "image", flags: LIVE, onSuspend });
    expect(completion(saved), String(logged(saved, 8))).toEqual(SUCCESS);
    expect(xen.calls()[0]).toBe("log-dirty 5 on");
    expect(xen.calls().slice(-2)).toEqual(["log-dirty 5 clean mode 1", "log-dirty 5 off"]);
    const switches = saved.filter(({ name }) => name === "switch_qemu_logdirty");
    expect(switches.map(({ values }) => values)).toEqual([
      [5, 1],
      [5, 0],
    ]);
    xen.makeEmpty(6);
    await xen.restore(6, "image");
    expect(differences(5, 6, types)).toEqual([]);
    expect(xen.page(6, 1999).equals(fresh)).toBe(true);
  });

  test("writes its profile where the settings say", async () => {
    makeGuest(5);
    const environment = { XENFERRY_PROFILE: path.join(xen.folder, "profile-%d.json") };
    await xen.save(5, { image: "image", flags: LIVE, environment });
    const profile = parseProfile(readFileSync(path.join(xen.folder, "profile-5.json"), "utf8"));
    const image = readFileSync(path.join(xen.folder, "image"));
    expect(profile).toMatchObject({
      operation: "migrate",
      outcome: "completed",
      guest: { name: "domain 5", kind: "xen-hvm", vcpus: 2 },
      totalBytes: image.length,
      totalPagesSent: 1200,
    });
    expect(profile.iterations[0]?.phase).toBe("precopy");
    expect(profile.iterations.at(-1)?.phase).toBe("stop-and-copy");
  });

  test("with debug has the receiver compare every page", async () => {
    makeGuest(5);
    await xen.save(5, { image: "image", flags: LIVE_DEBUG });
    xen.makeEmpty(6);
    const messages = await xen.restore(6, "image");
    expect(logged(messages, 5)).toContain("Compared all pages: 0 differ from those sent before");
  });

  test("with debug tells of a page that is not what was sent before", async () => {
    makeGuest(5);
    await xen.save(5, { image: "image", flags: LIVE_DEBUG });
    const file = path.join(xen.folder, "image");
    const image = readFileSync(file);
    image[image.lastIndexOf(pageOf(1999))]! ^= 1;
    writeFileSync(file, image);
    xen.makeEmpty(6);
    const messages = await xen.restore(6, "image");
    expect(completion(messages)).toEqual(SUCCESS);
    expect(logged(messages, 8)).toEqual(["Compared all pages: 1 differ from those sent before"]);
  });
});

describe("a save that cannot be", () => {
  test.each([
    ["a guest with assigned devices", "pci", "1", "assigned PCI devices"],
    ["no domain at all", "flags", "", "GUEST_LOST"],
  ])("of %s touches nothing", async (_, what, content, told) => {
    makeGuest(5);
    xen.write(5, what, content);
    const messages = await xen.save(5, { image: "image", flags: LIVE });
    expect(completion(messages)?.[0]).toBe(-1);
    expect(String(logged(messages, 8))).toContain(told);
    expect(xen.calls()).toEqual([]);
    expect(readFileSync(path.join(xen.folder, "image"))).toHaveLength(0);
  });

  test("is given up at SIGTERM, with log-dirty off again", async () => {
    makeGuest(5);
    const args = ["--save-domain", "3", "-1", "5", String(LIVE), "136", "0"];
    const slow = { XENFERRY_BANDWIDTH_MAX: "100K" };
    const libxl = xen.start(args, "image", slow);
    await libxl.until("switch_qemu_logdirty");
    libxl.answer(0);
    await libxl.until("progress");
    libxl.child.kill("SIGTERM");
    await libxl.until("switch_qemu_logdirty");
    libxl.answer(0);
    const messages = await libxl.finish();
    expect(completion(messages)?.[0]).toBe(-1);
    expect(xen.calls()).toEqual(["log-dirty 5 on", "log-dirty 5 off"]);
  });
});
