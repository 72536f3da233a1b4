import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bitmapBytes } from "../../src/base/units.ts";
import { openXen, resultOf } from "../../src/xen/addon.ts";
import { FakeXen, fakeLibraries, RAM } from "../support/fake-xen.ts";

const FRAMES = 300;

let xen: FakeXen;

beforeEach(() => {
  xen = new FakeXen(mkdtempSync(path.join(tmpdir(), "xenferry-fake-xen-")), "");
  process.env.FAKE_XEN = xen.folder;
  xen.makeGuest(5, new Uint8Array(FRAMES).fill(RAM), () => new Uint8Array(4096));
});

afterEach(() => {
  delete process.env.FAKE_XEN;
  rmSync(xen.folder, { recursive: true });
});

/** Calls took other arguments until 4.15. */
describe.each([14, 22])("the libraries of Xen 4.%d", (minor) => {
  const open = () => {
    const { addon, host } = openXen(fakeLibraries(minor));
    return { host, domain: new addon.Domain(host, 5) };
  };

  test("are known by their name", () => {
    const { host } = open();
    expect(host.libraryMinor()).toBe(minor);
    expect(resultOf(host.xenVersion())).toBe((4 << 16) | minor);
  });

  test("switch log-dirty, and give what is dirty", async () => {
    const { domain } = open();
    const dirty = new Uint8Array(bitmapBytes(FRAMES));
    dirty[37] = 0b1001;
    xen.write(5, "dirty", dirty);
    const out = new Uint8Array(bitmapBytes(FRAMES));
    out[0] = 1;
    resultOf(await domain.enableLogDirty());
    const job = { frameCount: FRAMES, out };
    expect(resultOf(await domain.readDirty({ ...job, mode: "peek" }))).toBe(2);
    expect(resultOf(await domain.readDirty({ ...job, mode: "clean" }))).toBe(2);
    expect(resultOf(await domain.readDirty({ ...job, mode: "final" }))).toBe(0);
    resultOf(await domain.disableLogDirty());
    expect([out[0], out[37]]).toEqual([1, 0b1001]);
    expect(xen.calls()).toEqual([
      "log-dirty 5 on",
      "log-dirty 5 peek mode 0",
      "log-dirty 5 clean mode 0",
      "log-dirty 5 clean mode 1",
      "log-dirty 5 off",
    ]);
  });

  test("give the policies, no longer than they are", () => {
    const { domain } = open();
    const { cpuid, msr } = resultOf(domain.cpuPolicies());
    expect([cpuid.length, msr.length]).toEqual([48, 16]);
    expect(cpuid.every((octet) => octet === 7)).toBe(true);
  });

  test("say which domain there is not", () => {
    const { addon, host } = openXen(fakeLibraries(minor));
    const { failure } = new addon.Domain(host, 6).info();
    expect(failure).toMatchObject({ code: "GUEST_LOST", facts: { domid: 6 } });
  });
});

describe("libraries that are not there", () => {
  test("are named, with the versions that are known", () => {
    const known = /no libxenctrl.so.4.* here \(4.14 to 4.22 are known\).*GUEST_UNAVAILABLE/;
    expect(() => openXen(xen.folder)).toThrowError(known);
  });
});
