import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseJoinedProfile } from "../../src/report/joined-profile.ts";
import { XenHost } from "../support/xen-host.ts";
import { FAILING, SCRIPT, waiting } from "../support/xl-script.ts";

let host: XenHost;

beforeEach(() => {
  host = new XenHost();
  host.add({ domid: 3, name: "web" });
});

afterEach(() => host.dispose());

/** The result of a command that ends well and without a word. */
function json({ status, stdout, stderr }: Awaited<ReturnType<XenHost["run"]>>) {
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

const run = (...args: readonly string[]) => host.run(args, SCRIPT);

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
    const environment = `env LIBXL_SAVE_HELPER=${helper()} XENFERRY_REPORT=stderr`;
    expect(host.sshCalls()).toEqual([
      "-p 2222 root@far xenferry far-end",
      `-p 2222 root@far ${environment} xl migrate-receive`,
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

  test("ends where the command does not answer", async () => {
    const { status, stderr } = await run("migrate", "web", "exec:false");
    expect(status).toBe(1);
    expect(stderr).toContain("XL_FAILED");
    expect(host.domains()).toMatchObject([{ domid: 3, name: "web", state: "r-----" }]);
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
