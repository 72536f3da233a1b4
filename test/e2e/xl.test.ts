import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseJoinedProfile } from "../../src/report/joined-profile.ts";
import { parseProfile } from "../../src/report/profile.ts";
import { XenHost } from "../support/xen-host.ts";

const STATISTICS = {
  iteration: 0,
  phase: "precopy",
  pagesPlanned: 100,
  pagesSent: 90,
  pagesAllocateOnly: 10,
  pagesDeferred: 0,
  pagesUnchanged: 0,
  bytes: 368_640,
  dirtyPagesAtEnd: 3,
  scanMs: 1,
  sendMs: 10,
  logDirtyMs: 1,
  durationMs: 12,
  bytesPerSecond: 1e6,
  dirtyPagesPerSecond: 250,
};

const PROFILE = {
  profileVersion: 1,
  operation: "migrate",
  outcome: "completed",
  startedAt: "2026-11-25T12:00:00.000Z",
  machine: {
    platform: "linux",
    kernel: "6.1",
    arch: "x64",
    cpu: "none",
    cpuCount: 2,
    node: "v20.20.2",
  },
  xenferry: "0.1.0",
  engine: { name: "native", variants: {} },
  guest: { name: "domain 3", kind: "xen-hvm", memoryBytes: 409_600, vcpus: 1, logDirty: "xen" },
  target: "descriptor 3",
  iterations: [],
  totalMs: 30,
  totalBytes: 400_000,
  totalPagesSent: 90,
};

const DOWNTIME = {
  suspendMs: 1,
  harvestMs: 2,
  finalCopyMs: 3,
  stateMs: 4,
  handoverMs: 0,
  resumeMs: 0,
  totalMs: 10,
};

const ITERATION = ["tell", "progress", { kind: "iteration", statistics: STATISTICS }];
const SAVE_STEPS = [
  ITERATION,
  ["write", "aabbcc"],
  ["tell", "step", "suspend"],
  ["suspend"],
  ["tell", "step", "suspended"],
  ["tell", "step", "sent"],
  ["tell", "profile", { ...PROFILE, downtime: DOWNTIME }],
];
const RESTORE_STEPS = [
  ["take", 3],
  ["tell", "step", "memory"],
  ["tell", "step", "restored"],
  ["tell", "profile", { ...PROFILE, operation: "restore" }],
];
const SCRIPT = {
  TEST_STEPS: JSON.stringify(SAVE_STEPS),
  TEST_RESTORE_STEPS: JSON.stringify(RESTORE_STEPS),
};

/** A save that waits, suspended or not, until it is aborted. */
const waiting = (...before: readonly (readonly unknown[])[]) => ({
  ...SCRIPT,
  TEST_STEPS: JSON.stringify([...before, ITERATION, ["wait"]]),
});

/** Fails with the system's error number 28, which is ENOSPC. */
const FAILING = JSON.stringify([["suspend"], ["fail", 28]]);

let host: XenHost;

beforeEach(() => {
  host = new XenHost();
  host.add({ domid: 3, name: "web" });
});

afterEach(() => host.dispose());

function json({ status, stdout, stderr }: Awaited<ReturnType<XenHost["run"]>>) {
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

const run = (...args: readonly string[]) => host.run(args, SCRIPT);

describe("list", () => {
  test("shows domains of Xen beside embedded guests", async () => {
    await run("create", "--guest", "synthetic:memory=4M,name=own");
    host.add({ domid: 12, name: "a b", type: "hvm", mib: 48, vcpus: 2, state: "--p---" });
    expect(json(await run("--json", "-q", "list"))).toMatchObject([
      { name: "own", kind: "synthetic" },
      { name: "web", kind: "xen", type: "pvh", domid: 3, memoryBytes: 32 << 20, state: "running" },
      { name: "a b", kind: "xen", type: "hvm", domid: 12, vcpus: 2, state: "paused" },
    ]);
    const { stdout } = await run("list");
    expect(stdout).toMatch(/^web +xen pvh +32\.0 MiB +1 +running +-$/m);
    expect(stdout).not.toContain("Domain-0");
    await run("destroy", "own");
  });

  test("says why there are no domains where xl is, and Xen is not", async () => {
    const { status, stdout, stderr } = await host.run(["list"], { FAKE_XL_MODE: "not-xen" });
    expect(status).toBe(0);
    expect(stdout).not.toContain("web");
    expect(stderr).toContain("xencall: error: Could not obtain handle");
    expect(stderr).toContain("GUEST_UNAVAILABLE");
  });

  test("refuses to guess what a strange xl means", async () => {
    const { stderr } = await host.run(["list"], { FAKE_XL_MODE: "strange" });
    expect(stderr).toContain("XL_OUTPUT");
    expect(stderr).toContain("this is no list");
  });

  test("does without xl", async () => {
    const { stderr, status } = await host.run(["list"], { PATH: "/nonexistent" });
    expect([status, stderr]).toEqual([0, ""]);
  });
});

describe("a name", () => {
  test("that is a guest's of both kinds needs a prefix", async () => {
    await run("create", "--guest", "synthetic:memory=4M,name=web");
    const ambiguous = await run("save", "web", "x.xl");
    expect(ambiguous.status).toBe(2);
    expect(ambiguous.stderr).toContain("GUEST_AMBIGUOUS");
    json(await run("--json", "-q", "save", "xen:web", "x.xl"));
    json(await run("--json", "-q", "save", "embedded:web", "own.xl"));
    expect(host.calls()).toMatchObject([["save", "--", "3", expect.anything()]]);
  });

  test("that is nobody's is told", async () => {
    const { status, stderr } = await run("save", "xen:wob", "x.xl");
    expect(status).toBe(1);
    expect(stderr).toContain("GUEST_NOT_FOUND");
  });

  test("of a domain is refused by what only embedded guests can", async () => {
    const { status, stderr } = await run("pause", "web");
    expect(status).toBe(2);
    expect(stderr).toContain("USAGE_ARGUMENT");
  });

  test("with odd characters reaches no shell", async () => {
    const name = "$(touch hit); `touch hit` 'x\" -e";
    host.add({ domid: 4, name });
    const { guest } = json(await run("--json", "-q", "migrate", name, "localhost"));
    expect(guest.name).toBe(name);
    expect(host.domains().map((domain) => domain.name)).toContain(name);
    expect(existsSync(host.path("hit"))).toBe(false);
  });
});

describe("save", () => {
  test("is done by xl with a helper that reports", async () => {
    const profile = json(await run("--json", "-q", "save", "web", "web.xl", "--profile", "p.json"));
    expect(profile).toMatchObject({
      guest: { name: "web" },
      target: "web.xl",
      iterations: [{ pagesSent: 90 }],
    });
    expect(parseProfile(readFileSync(host.path("p.json"), "utf8"))).toEqual(profile);
    expect(readFileSync(host.path("web.xl")).subarray(-3).toString("hex")).toBe("aabbcc");
    expect(host.domains()).toEqual([]);
  });

  test.each([
    ["-c", "r-----"],
    ["-p", "--p---"],
  ])("leaves the guest as %s says", async (option, state) => {
    json(await run("--json", "-q", "save", option, "web", "web.xl"));
    expect(host.calls()[0]).toEqual(["save", option, "--", "3", expect.stringMatching(/partial$/)]);
    expect(host.domains()).toMatchObject([{ name: "web", state }]);
  });

  test("takes file names that look like options, and domains by number", async () => {
    json(await run("--json", "-q", "save", "3", "--", "-c.xl"));
    expect(existsSync(host.path("-c.xl"))).toBe(true);
  });

  test("hands settings to the helper, and only those asked for", async () => {
    host.program("helper", `env | grep ^XENFERRY_ | sort > '${host.path("settings")}'; exit 1`);
    const options = ["--bandwidth-max", "5M", "--zero-pages", "send"];
    const { status } = await run("--engine", "wasm", "save", "web", "web.xl", ...options);
    expect(status).toBe(1);
    expect(readFileSync(host.path("settings"), "utf8").trim().split("\n")).toEqual([
      "XENFERRY_BANDWIDTH_MAX=5242880",
      "XENFERRY_ENGINE=wasm",
      "XENFERRY_REPORT=stderr",
      `XENFERRY_RUN_DIR=${host.path("run")}`,
      "XENFERRY_ZERO_PAGES=send",
    ]);
  });

  test("shows the helper's reason when it fails, and leaves no file", async () => {
    const failing = { TEST_STEPS: FAILING };
    const { status, stderr } = await host.run(["--json", "-q", "save", "web", "web.xl"], failing);
    expect(status).toBe(1);
    const { error } = JSON.parse(stderr);
    expect(error).toMatchObject([
      { code: "XL_FAILED", where: { command: "xl save", status: 1, guest: "running" } },
      { message: "a call failed" },
    ]);
    expect(existsSync(host.path("web.xl"))).toBe(false);
    expect(host.domains()).toMatchObject([{ name: "web", state: "r-----" }]);
  });

  test("tells xl's words where there is no helper to tell its own", async () => {
    const none = { LIBXL_SAVE_HELPER: "/nonexistent/helper" };
    const { status, stderr } = await host.run(["save", "web", "web.xl"], { ...SCRIPT, ...none });
    expect(status).toBe(1);
    expect(stderr).toContain("XL_FAILED");
    expect(stderr).toContain("cannot execute /nonexistent/helper");
  });

  test.each([["--downtime", "5"], ["--policy", "xen"], ["--skip-unchanged"], ["--align-pages"]])(
    "refuses %s, which xl save has no use for",
    async (...option) => {
      const { status, stderr } = await run("save", "web", "web.xl", ...option);
      expect(status).toBe(2);
      expect(stderr).toContain(`option ${option[0]}`);
      expect(host.calls()).toEqual([]);
    },
  );
});

describe("restore", () => {
  beforeEach(async () => {
    json(await run("--json", "-q", "save", "web", "web.xl"));
  });

  test("gives the image of a Xen guest to xl", async () => {
    const profile = json(await run("--json", "-q", "restore", "web.xl", "--profile", "p.json"));
    expect(profile).toMatchObject({ operation: "restore", guest: { name: "web" } });
    expect(host.calls()[1]).toEqual(["restore", "--", "web.xl"]);
    expect(host.domains()).toMatchObject([{ name: "web", state: "r-----" }]);
    expect(existsSync(host.path("p.json"))).toBe(true);
  });

  test("hands on what xl has options for", async () => {
    const { stdout } = await run("-q", "restore", "-p", "-e", "web.xl", "--config", "my.cfg");
    expect(host.calls()[1]).toEqual(["restore", "-p", "-e", "--", "my.cfg", "web.xl"]);
    expect(stdout).toContain("restored web as domain 1");
    expect(host.domains()).toMatchObject([{ state: "--p---" }]);
  });

  test("refuses it for an embedded guest, and without xl", async () => {
    const process = await run("restore", "--kind", "process", "web.xl");
    expect(process.stderr).toContain("GUEST_CONFIG");
    const { status, stderr } = await host.run(["restore", "web.xl"], { PATH: "/nonexistent" });
    expect(status).toBe(1);
    expect(stderr).toContain("no program 'xl' in PATH");
  });

  test("refuses options of the other kind", async () => {
    const { status, stderr } = await run("restore", "web.xl", "--name", "x");
    expect([status, stderr]).toEqual([2, expect.stringContaining("--name")]);
  });

  test("leaves no domain when the helper fails", async () => {
    const failing = { TEST_RESTORE_STEPS: JSON.stringify([["fail", 12]]) };
    const { status, stderr } = await host.run(["restore", "web.xl"], failing);
    expect(status).toBe(1);
    expect(stderr).toContain("xl restore");
    expect(stderr).toContain("because: a call failed");
    expect(stderr).toMatch(/^xl: xc: error: /m);
    expect(host.domains()).toEqual([]);
  });
});

describe("migrate to localhost", () => {
  test("joins both ends' profiles on one clock", async () => {
    const args = ["--json", "-q", "migrate", "web", "localhost", "--profile", "p.json"];
    const profile = parseJoinedProfile(JSON.stringify(json(await run(...args))));
    expect(parseJoinedProfile(readFileSync(host.path("p.json"), "utf8"))).toEqual(profile);
    expect(profile).toMatchObject({
      outcome: "completed",
      xen: "4.17.7",
      host: "localhost",
      guest: { name: "web", type: "pvh", domid: 3, targetDomid: 4 },
      clock: { method: "one machine", offsetMs: 0, uncertaintyMs: 0 },
      source: { operation: "migrate", guest: { name: "web" }, iterations: [{ pagesSent: 90 }] },
      target: { operation: "restore", guest: { name: "web" } },
      downtime: { suspendMs: 1, harvestMs: 2, finalCopyMs: 3, stateMs: 4 },
    });
    expect(profile.events.map(({ by, event }) => `${by} ${event}`)).toEqual(
      expect.arrayContaining(["source suspend", "target restored", "xl permitted", "xl reported"]),
    );
    const times = profile.events.map(({ atMs }) => atMs);
    expect(times).toEqual([...times].sort((one, other) => one - other));
    const { handoverMs, resumeMs, totalMs } = profile.downtime!;
    expect(totalMs).toBeCloseTo(10 + handoverMs + resumeMs);
    expect(host.domains()).toMatchObject([{ domid: 4, name: "web", state: "r-----" }]);
  });

  test("shows iterations, downtime and what the target took", async () => {
    const { stdout, stderr } = await run("migrate", "-p", "web", "localhost");
    expect(stderr).toContain("iteration 0: 90 pages");
    expect(stdout).toMatch(/^downtime .* = suspend 1\.0 ms/m);
    expect(stdout).toContain("target: 90 pages");
    expect(stdout).toContain("web is now paused at localhost");
    expect(host.domains()).toMatchObject([{ state: "--p---" }]);
  });

  test("names the target's reason when that is where it fails", async () => {
    const failing = { ...SCRIPT, TEST_RESTORE_STEPS: JSON.stringify([["fail", 12]]) };
    const args = ["--json", "-q", "migrate", "web", "localhost", "--profile", "p.json"];
    const { status, stderr } = await host.run(args, failing);
    expect(status).toBe(1);
    expect(JSON.parse(stderr).error).toMatchObject([
      { code: "XL_FAILED", where: { command: "xl migrate", end: "target", guest: "running" } },
      { message: "a call failed" },
    ]);
    const profile = parseJoinedProfile(readFileSync(host.path("p.json"), "utf8"));
    expect(profile).toMatchObject({ outcome: "failed", errorCode: "XL_FAILED" });
    expect(profile.downtime).toBeUndefined();
    expect(host.domains()).toMatchObject([{ domid: 3, name: "web", state: "r-----" }]);
  });

  test("names the source's reason when that is where it fails", async () => {
    const failing = { ...SCRIPT, TEST_STEPS: FAILING };
    const { stderr } = await host.run(["migrate", "web", "localhost"], failing);
    expect(stderr).toContain("end source");
    expect(stderr).toContain("because: a call failed");
  });

  test("says that the target refused to start the guest", async () => {
    const refusing = { ...SCRIPT, FAKE_XL_MODE: "refuse" };
    const { status, stderr } = await host.run(["migrate", "web", "localhost"], refusing);
    expect(status).toBe(1);
    expect(stderr).toContain("HANDSHAKE_REFUSED");
    expect(host.domains()).toMatchObject([{ domid: 3, name: "web", state: "r-----" }]);
  });

  test("says that nobody knows where the guest is", async () => {
    const vanishing = { ...SCRIPT, FAKE_XL_MODE: "vanish" };
    const { status, stderr } = await host.run(["migrate", "web", "localhost"], vanishing);
    expect(status).toBe(1);
    expect(stderr).toContain("HANDSHAKE_UNDECIDED");
    expect(stderr).toContain("guest suspended");
  });

  test.each([["--no-live"], ["--channels", "2"], ["--compress", "zstd"], ["--auto"]])(
    "refuses %s",
    async (...option) => {
      const { status, stderr } = await run("migrate", "web", "localhost", ...option);
      expect([status, stderr]).toEqual([2, expect.stringContaining(option[0]!)]);
    },
  );

  test.each(["tcp://10.0.0.1:99", "unix:/x"])("refuses %s", async (address) => {
    const { status, stderr } = await run("migrate", "web", address);
    expect([status, stderr]).toEqual([2, expect.stringContaining("TRANSPORT_ADDRESS")]);
  });
});

describe("migrate through ssh", () => {
  /** Where the helper there is to be found. */
  const helper = () => host.path("helper");

  test("asks for the helper and the time there", async () => {
    const args = ["--json", "-q", "migrate", "web", "ssh://root@far:2222"];
    const remote = ["--remote-helper", helper()];
    const profile = parseJoinedProfile(JSON.stringify(json(await run(...args, ...remote))));
    expect(profile.clock?.method).toBe("round trips");
    // The other machine is this one.
    const { offsetMs, uncertaintyMs = 0 } = profile.clock!;
    expect(Math.abs(offsetMs)).toBeLessThanOrEqual(uncertaintyMs);
    expect(profile.target).toBeDefined();
    expect(host.sshCalls()).toEqual([
      "-p 2222 root@far xenferry far-end",
      `-p 2222 root@far env LIBXL_SAVE_HELPER=${helper()} XENFERRY_REPORT=stderr xl migrate-receive`,
    ]);
  });

  test("uses the ssh it is given", async () => {
    const ssh = ["--ssh", "ssh -q -p 7", "--remote-helper", helper()];
    json(await run("--json", "-q", "migrate", "-p", "web", "far", ...ssh));
    expect(host.sshCalls()[1]).toMatch(/^-q -p 7 far env .* xl migrate-receive -p$/);
  });

  test("does with Xen's own helper where there is none of ours, and says so", async () => {
    host.program("far/xenferry", 'echo "xenferry: not found" >&2; exit 127');
    const { status, stdout, stderr } = await run("migrate", "web", "far");
    expect(stderr).toContain("xenferry does not answer at far (xenferry: not found)");
    expect(host.sshCalls()[1]).toBe("far xl migrate-receive");
    expect(status).toBe(0);
    expect(stdout).toContain("target: Xen's own helper");
  });

  test("takes reports' arrival for the time where nobody tells it", async () => {
    host.program("far/xenferry", "exit 127");
    const args = ["--json", "migrate", "web", "far", "--remote-helper", helper()];
    const { clock, target } = JSON.parse((await run("-q", ...args)).stdout);
    expect(clock).toMatchObject({ method: "arrival" });
    expect(target.operation).toBe("restore");
  });

  test("says what ssh said when it does not get there", async () => {
    host.program("bin/ssh", 'echo "ssh: no route to far" >&2; exit 255');
    const { status, stderr } = await run("migrate", "web", "far");
    expect(status).toBe(1);
    expect(stderr).toContain("TRANSPORT_OPEN");
    expect(stderr).toContain("ssh: no route to far");
    expect(host.calls()).toEqual([]);
  });

  test("says what is wrong with xl there", async () => {
    host.program("far/xl", 'echo "xl: no such luck: error" >&2; exit 1');
    const { status, stderr } = await run("migrate", "web", "far");
    expect(status).toBe(1);
    expect(stderr).toContain("end target");
    expect(stderr).toContain("no such luck");
    expect(host.domains()).toMatchObject([{ name: "web", state: "r-----" }]);
  });

  test("goes by any command", async () => {
    const command = `exec:${host.path("bin/ssh")} far xl migrate-receive`;
    const { clock, target } = json(await run("--json", "-q", "migrate", "web", command));
    expect([clock, target]).toEqual([undefined, undefined]);
  });
});

describe("an interruption", () => {
  test.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
  ] as const)("by %s of a migration puts the guest back", async (signal, status) => {
    const command = host.start(["migrate", "web", "localhost"], waiting(["suspend"]));
    await command.says("iteration 0");
    command.child.kill(signal);
    const { stderr, ...result } = await command.ended;
    expect(result).toMatchObject({ status });
    expect(stderr).toContain("MIGRATION_INTERRUPTED");
    await host.until("xen", () => host.domains().length === 1);
    expect(host.domains()).toMatchObject([{ domid: 3, name: "web", state: "r-----" }]);
  });

  test("of a save puts the guest back", async () => {
    const command = host.start(["save", "web", "web.xl"], waiting(["suspend"]));
    await command.says("iteration 0");
    command.child.kill("SIGINT");
    expect(await command.ended).toMatchObject({ status: 130 });
    expect(host.domains()).toMatchObject([{ domid: 3, name: "web", state: "r-----" }]);
    expect(existsSync(host.path("web.xl"))).toBe(false);
  });

  test("before the other end answers cuts the way there", async () => {
    host.program("far/xl", `echo > '${host.path("run/there")}'; exec sleep 600`);
    host.program("far/xenferry", "exit 127");
    const command = host.start(["migrate", "web", "far"], SCRIPT);
    await host.until("run", () => existsSync(host.path("run/there")));
    command.child.kill("SIGINT");
    expect(await command.ended).toMatchObject({ status: 130 });
    expect(host.domains()).toMatchObject([{ domid: 3, name: "web", state: "r-----" }]);
  });

  test("that comes too late is told, and does nothing", async () => {
    const slow = { ...SCRIPT, FAKE_XL_MODE: "slow" };
    const command = host.start(["migrate", "web", "localhost"], slow);
    const isAway = () => host.domains().some(({ name }) => name === "web--migratedaway");
    await host.until("xen", isAway);
    command.child.kill("SIGINT");
    await command.says("too late");
    writeFileSync(host.path("xen/go"), "");
    expect(await command.ended).toMatchObject({ status: 0 });
    expect(host.domains()).toMatchObject([{ domid: 4, name: "web" }]);
  });
});
