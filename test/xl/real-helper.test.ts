import { mkdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { parseJoinedProfile } from "../../src/report/joined-profile.ts";
import { parseProfile } from "../../src/report/profile.ts";
import { FakeXen, fakeLibraries, RAM } from "../support/fake-xen.ts";
import { XenHost } from "../support/xen-host.ts";

/** The save helper itself, on a made-up hypervisor, run by a made-up xl. */
const HELPER = fileURLToPath(new URL("../../dist/helper/main.cjs", import.meta.url));
const FRAMES = 600;
/** The rings of xenstore and console, which restore clears. */
const RINGS = [3, 4];

let host: XenHost;
let xen: FakeXen;
let libraries: string;
let variables: Readonly<Record<string, string>>;

beforeAll(() => {
  libraries = fakeLibraries(17);
});

beforeEach(() => {
  host = new XenHost();
  const folder = host.path("hypervisor");
  mkdirSync(folder);
  xen = new FakeXen(folder, libraries);
  xen.makeGuest(3, new Uint8Array(FRAMES).fill(RAM), pageOf);
  xen.makeEmpty(4);
  host.add({ domid: 3, name: "web", type: "hvm" });
  variables = { LIBXL_SAVE_HELPER: HELPER, FAKE_XEN: folder, LD_LIBRARY_PATH: libraries };
});

afterEach(() => host.dispose());

function pageOf(pfn: number): Uint8Array {
  return new Uint8Array(PAGE_BYTES).fill(pfn % 3 === 0 ? 0 : 1 + (pfn % 251));
}

function expectSameMemory(): void {
  const pfns = [...new Array(FRAMES).keys()].filter((pfn) => !RINGS.includes(pfn));
  expect(pfns.filter((pfn) => !xen.page(4, pfn).equals(xen.page(3, pfn)))).toEqual([]);
}

test("a migration's profile has both ends', and the downtime of all of it", async () => {
  const args = ["migrate", "web", "localhost", "--downtime", "20", "--profile", "p.json"];
  const { status, stdout, stderr } = await host.run(args, variables);
  expect({ status, stderr }).toMatchObject({ status: 0 });
  expect(stderr).toMatch(/^iteration 0: /m);
  expect(stdout).toContain("web now runs at localhost");
  const profile = parseJoinedProfile(readFileSync(host.path("p.json"), "utf8"));
  const { source, target, downtime, events } = profile;
  expect(source).toMatchObject({
    operation: "migrate",
    mode: "live",
    policy: { name: "downtime", parameters: { downtimeTargetMs: 20 } },
    guest: { name: "web", kind: "xen-hvm", memoryBytes: FRAMES * PAGE_BYTES },
  });
  expect(source?.iterations.length).toBeGreaterThan(1);
  expect(target).toMatchObject({ operation: "restore", outcome: "completed" });
  expect(target?.totalPagesSent).toBe(source?.totalPagesSent);
  expect(target?.totalBytes).toBe(source?.totalBytes);
  expect(downtime?.totalMs).toBeGreaterThan(source?.downtime?.totalMs ?? 0);
  const names = events.map(({ by, event }) => `${by} ${event}`);
  const inOrder = [
    "source suspend",
    "source sent",
    "target restored",
    "xl permitted",
    "xl reported",
  ];
  expect(names.filter((name) => inOrder.includes(name))).toEqual(inOrder);
  expectSameMemory();
});

test("a save and a restore have profiles of their own", async () => {
  const saved = await host.run(["--json", "-q", "save", "web", "web.xl"], variables);
  expect(saved).toMatchObject({ status: 0, stderr: "" });
  const { iterations, mode, target, downtime } = parseProfile(saved.stdout);
  expect(downtime).toBeUndefined();
  expect([iterations.length, mode, target]).toEqual([1, "non-live", "web.xl"]);
  // The domain that ended with its save has left its number free.
  host.add({ domid: 3, name: "other" });
  const restored = await host.run(["--json", "-q", "restore", "web.xl"], variables);
  expect(restored).toMatchObject({ status: 0, stderr: "" });
  expect(parseProfile(restored.stdout)).toMatchObject({
    operation: "restore",
    guest: { name: "web", kind: "xen-hvm" },
    totalPagesSent: expect.any(Number),
  });
  expectSameMemory();
});

test("a save whose guest goes on has the downtime until it does", async () => {
  const { stdout } = await host.run(["--json", "-q", "save", "-c", "web", "web.xl"], variables);
  const { downtime, totalMs } = parseProfile(stdout);
  const { suspendMs, harvestMs, finalCopyMs, stateMs, resumeMs } = downtime!;
  expect(resumeMs).toBeGreaterThan(0);
  const sum = suspendMs + harvestMs + finalCopyMs + stateMs + resumeMs;
  expect(downtime!.totalMs).toBeCloseTo(sum);
  expect(totalMs).toBeGreaterThan(suspendMs);
});

test("a failure has the helper's code and facts", async () => {
  xen.write(3, "pci", "2");
  const { status, stderr } = await host.run(
    ["--json", "-q", "migrate", "web", "localhost"],
    variables,
  );
  expect(status).toBe(1);
  expect(JSON.parse(stderr).error).toMatchObject([
    { code: "XL_FAILED", where: { end: "source", guest: "running" } },
    { code: "GUEST_UNAVAILABLE", where: { domid: 3 } },
  ]);
});
