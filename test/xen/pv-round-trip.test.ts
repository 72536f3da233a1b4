import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { decodeP2mFrames, decodePvInfo, decodeVcpuContext } from "../../src/codec/bodies.ts";
import type { StreamEvent } from "../../src/codec/events.ts";
import { StreamEncoder } from "../../src/codec/stream-writer.ts";
import { watchedEvents } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { FakeXen, fakeLibraries, HOLE } from "../support/fake-xen.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import type { LibxlMessage } from "../support/libxl.ts";
import { compiler } from "../support/native-program.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";

/** Machine frames that PV domains share; above them lie those that a test places itself. */
const MACHINE_FRAMES = 9000;
const SHARED_INFO_MFN = MACHINE_FRAMES;
const LIST_LIST_MFN = MACHINE_FRAMES + 1;
const LIST_MFN = MACHINE_FRAMES + 2;
const ALL_FRAMES = MACHINE_FRAMES + 3;
const XEN = 0x7ff2;
/** Words of Xen's table: pieces of 2 MiB. */
const M2P_ENTRIES = 262_144;
const NOBODYS = 0x5555_5555_5555_5555n;

const PV = "0";
const PV_SUSPENDED = String((1 << 2) | (2 << 16));
const NOTAB = 0;
const L1TAB = 1;
const LIVE = 1;

const shared = sharedFolder();
const reason = compiler === undefined ? "needs a C++ compiler" : shared === undefined && NO_SHARED;
if (reason) {
  console.warn(`PV guests on a made-up machine: skipped: ${reason}`);
}

/** A libxc stream, by what it leaves at the receiver. */
interface Content {
  /** The last page sent for each pfn, and its type. */
  readonly pages: ReadonlyMap<number, Buffer>;
  readonly types: ReadonlyMap<number, number>;
  /** Bodies by the names of their records, and the vCPU's number where there is one. */
  readonly bodies: ReadonlyMap<string, Buffer>;
}

async function contentOf(file: string, onEvent?: (event: StreamEvent) => void): Promise<Content> {
  const image = await openImage(file);
  const pages = new Map<number, Buffer>();
  const types = new Map<number, number>();
  const bodies = new Map<string, Buffer>();
  try {
    for await (const event of watchedEvents(image, { pageDataHead: plainHeadCodec })) {
      onEvent?.(event);
      if (event.kind === "page-data") {
        let at = 0;
        for (const [index, pfn] of event.pfns.entries()) {
          const type = event.types[index]!;
          types.set(pfn, type);
          if (type < 0xd) {
            pages.set(pfn, Buffer.from(event.pages.slice(at, at + PAGE_BYTES)));
            at += PAGE_BYTES;
          }
        }
      } else if (event.kind === "record" && event.layer === "libxc") {
        const isVcpu = event.name?.startsWith("X86_PV_VCPU") ?? false;
        const vcpu = isVcpu ? ` ${decodeVcpuContext(event).vcpuId}` : "";
        bodies.set(`${event.name}${vcpu}`, Buffer.from(event.body));
      }
    }
  } finally {
    await image.close();
  }
  return { pages, types, bodies };
}

/** Writes the libxc stream within an image to a file of its own, as a helper gets it. */
async function takeOutLibxc(image: string, file: string): Promise<Content> {
  const encoder = new StreamEncoder(plainHeadCodec);
  const chunks: Uint8Array[] = [];
  const content = await contentOf(image, (event) => {
    const isInner =
      event.kind === "image-header" ||
      event.kind === "domain-header" ||
      event.kind === "page-data" ||
      (event.kind === "record" && event.layer === "libxc");
    if (isInner) {
      chunks.push(...encoder.encode(event).map((chunk) => chunk.slice()));
    }
  });
  writeFileSync(file, Buffer.concat(chunks));
  return content;
}

/** What the helper said in libxl's log as errors. */
function errorsOf(messages: readonly LibxlMessage[]): readonly unknown[] {
  return messages
    .filter(({ name, values }) => name === "log" && values[0] === 8)
    .map(({ values }) => values[3]);
}

describe.skipIf(Boolean(reason)).each([
  ["xen-4.17-pv64-save", 8],
  ["xen-4.17-pv32-save", 4],
] as const)("%s on a made-up machine", (name, width) => {
  let xen: FakeXen;
  let original: Content;

  beforeAll(async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "xenferry-fake-xen-"));
    xen = new FakeXen(folder, fakeLibraries(17));
    const stream = path.join(shared ?? "", "streams", `${name}.xl.zst`);
    original = await takeOutLibxc(stream, path.join(folder, "image"));
    makeMachine();
  }, 180_000);

  afterAll(() => rmSync(xen.folder, { recursive: true }));

  function makeMachine(): void {
    const types = new Uint8Array(ALL_FRAMES).fill(HOLE, 0, MACHINE_FRAMES);
    xen.write(5, "flags", PV);
    // New PV domains are 64 bits wide.
    xen.write(5, "width", "8");
    xen.write(5, "shared", String(SHARED_INFO_MFN));
    xen.write(5, "vcpus", "2");
    xen.write(5, "types", types);
    xen.write(5, "ram", new Uint8Array(ALL_FRAMES * PAGE_BYTES));
    xen.write(XEN, "types", new Uint8Array((M2P_ENTRIES * 8) / PAGE_BYTES));
    xen.write(XEN, "ram", new Uint8Array(new BigUint64Array(M2P_ENTRIES).fill(NOBODYS).buffer));
  }

  const word = (bytes: Buffer, index: number) =>
    width === 8 ? Number(bytes.readBigUInt64LE(index * 8)) : bytes.readUInt32LE(index * 4);
  const setWord = (bytes: Buffer, offset: number, value: number) =>
    width === 8
      ? bytes.writeBigUInt64LE(BigInt(value), offset)
      : bytes.writeUInt32LE(value, offset);
  const p2mFrames = () =>
    decodeP2mFrames({ body: original.bodies.get("X86_PV_P2M_FRAMES")!, byteOrder: "little" });

  /** The machine frame of each pfn, as Xen has it. */
  function mfnsByPfn(): ReadonlyMap<number, number> {
    const m2p = xen.read(XEN, "ram");
    const mfns = Array.from({ length: MACHINE_FRAMES }, (_, mfn) => mfn);
    return new Map(mfns.map((mfn) => [Number(m2p.readBigUInt64LE(mfn * 8)), mfn]));
  }

  /** The start_info's pfn, in the first vCPU's edx or rdx. */
  function startInfoPfn(): number {
    const body = original.bodies.get("X86_PV_VCPU_BASIC 0")!;
    return width === 8 ? Number(body.readBigUInt64LE(8 + 616)) : body.readUInt32LE(8 + 524);
  }

  /** What a guest does when it runs again: tells Xen where its p2m is. */
  function resume(): void {
    const ram = xen.read(5, "ram");
    const mfns = mfnsByPfn();
    const list = ram.subarray(LIST_MFN * PAGE_BYTES);
    p2mFrames().p2mPfns.forEach((pfn, index) => {
      setWord(list, index * width, mfns.get(Number(pfn))!);
    });
    setWord(ram.subarray(LIST_LIST_MFN * PAGE_BYTES), 0, LIST_MFN);
    const arch = ram.subarray(SHARED_INFO_MFN * PAGE_BYTES + (width === 8 ? 3088 : 2316));
    setWord(arch, width, LIST_LIST_MFN);
    setWord(arch, 3 * width, 0);
    xen.write(5, "ram", ram);
    // Xen knows page tables by what they are used for; the fake has to be told.
    const types = xen.read(5, "types");
    for (const [pfn, type] of original.types) {
      types[mfns.get(pfn)!] = type;
    }
    xen.write(5, "types", types);
    xen.write(5, "flags", PV_SUSPENDED);
  }

  test("is refused with a p2m that starts far beyond its beginning", async () => {
    const image = readFileSync(path.join(xen.folder, "image"));
    const { startPfn, endPfn } = p2mFrames();
    const at = image.indexOf(original.bodies.get("X86_PV_P2M_FRAMES")!);
    image.writeUInt32LE(startPfn + 0x1000_0000, at);
    image.writeUInt32LE(endPfn + 0x1000_0000, at + 4);
    writeFileSync(path.join(xen.folder, "far"), image);
    const errors = errorsOf(await xen.restore(5, "far"));
    expect(String(errors)).toContain("startPfn 268435456) [RECORD_VALUE]");
  });

  test("is restored", async () => {
    const messages = await xen.restore(5, "image");
    expect(errorsOf(messages)).toEqual([]);
    expect(messages.find(({ name: what }) => what === "complete")?.values).toEqual([0, 0]);
    const info = original.bodies.get("X86_PV_INFO")!;
    expect(decodePvInfo({ body: info, byteOrder: "little" }).guestWidth).toBe(width);
    expect(xen.read(5, "width").toString()).toBe(String(width));
    expect(xen.calls().filter((call) => call.startsWith("vcpu 5"))).not.toEqual([]);
    expect(xen.calls().filter((call) => call.startsWith("pin 5"))).toHaveLength(1);
  });

  test("finds its memory again: each entry of its p2m is the frame that holds the page", () => {
    const { p2mPfns } = p2mFrames();
    const ram = xen.read(5, "ram");
    const frame = (mfn: number) => ram.subarray(mfn * PAGE_BYTES, (mfn + 1) * PAGE_BYTES);
    const mfns = mfnsByPfn();
    const p2m = Buffer.concat([...p2mPfns].map((pfn) => frame(mfns.get(Number(pfn))!)));
    const isTable = (type: number) => type !== NOTAB;
    const changed = new Set([...p2mPfns].map(Number).concat(startInfoPfn()));
    const wrong = [...original.pages].filter(
      ([pfn, page]) =>
        !isTable(original.types.get(pfn)!) &&
        !changed.has(pfn) &&
        !frame(word(p2m, pfn)).equals(page),
    );
    expect(wrong.map(([pfn]) => pfn)).toEqual([]);
  }, 60_000);

  test("is saved as it was", async () => {
    resume();
    const environment = { XENFERRY_ZERO_PAGES: "send" };
    const messages = await xen.save(5, { image: "again", environment, suspended: PV_SUSPENDED });
    expect(errorsOf(messages)).toEqual([]);
    const again = await contentOf(path.join(xen.folder, "again"));
    expect([...again.types].sort()).toEqual([...original.types].sort());
    const changed = new Set([...p2mFrames().p2mPfns].map(Number).concat(startInfoPfn()));
    const wrong = [...original.pages].filter(
      ([pfn, page]) => !changed.has(pfn) && !again.pages.get(pfn)?.equals(page),
    );
    expect(wrong.map(([pfn]) => pfn)).toEqual([]);
    expect([...again.bodies.keys()]).toEqual([...original.bodies.keys()]);
    const different = [...original.bodies].filter(
      ([key, body]) => !again.bodies.get(key)?.equals(body),
    );
    expect(different.map(([key]) => key)).toEqual(["SHARED_INFO"]);
  }, 60_000);

  /** Has the first entry of a page table name a frame of Xen's, as in the middle of a change. */
  function breakTable(): { readonly pfn: number; readonly mend: () => void } {
    const [pfn] = [...original.types].find(([, type]) => type === L1TAB)!;
    const offset = mfnsByPfn().get(pfn)! * PAGE_BYTES;
    const ram = xen.read(5, "ram");
    const broken = Buffer.from(ram);
    broken.writeBigUInt64LE((BigInt(LIST_MFN) << 12n) | 1n, offset);
    xen.write(5, "ram", broken);
    return { pfn, mend: () => xen.write(5, "ram", ram) };
  }

  test("sends a page table that changes when the guest stands still", async () => {
    xen.write(5, "flags", PV);
    const { pfn, mend } = breakTable();
    const options = { image: "live", flags: LIVE, suspended: PV_SUSPENDED, onSuspend: mend };
    const messages = await xen.save(5, options);
    expect(errorsOf(messages)).toEqual([]);
    expect(messages.map(({ name }) => name)).not.toContain("switch_qemu_logdirty");
    const { pages } = await contentOf(path.join(xen.folder, "live"));
    expect(pages.get(pfn)!.equals(original.pages.get(pfn)!)).toBe(true);
  });

  test("may make its p2m longer until it suspends itself", async () => {
    xen.write(5, "flags", PV);
    const whole = xen.read(5, "ram");
    const arch = SHARED_INFO_MFN * PAGE_BYTES + (width === 8 ? 3088 : 2316);
    const short = Buffer.from(whole);
    setWord(short, arch, p2mFrames().endPfn);
    xen.write(5, "ram", short);
    const onSuspend = () => xen.write(5, "ram", whole);
    const options = { image: "longer", suspended: PV_SUSPENDED, onSuspend };
    expect(errorsOf(await xen.save(5, options))).toEqual([]);
    const { types } = await contentOf(path.join(xen.folder, "longer"));
    expect(Math.max(...types.keys())).toBe(Math.max(...original.types.keys()));
  });

  test("is not saved with a page table that names a frame of others", async () => {
    xen.write(5, "flags", PV);
    const { pfn, mend } = breakTable();
    const errors = errorsOf(await xen.save(5, { image: "bad", suspended: PV_SUSPENDED }));
    mend();
    expect(String(errors)).toContain(`pageTablePfn ${pfn}) [GUEST_FRAMES]`);
  });
});
