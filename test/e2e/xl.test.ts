import { existsSync, readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseProfile } from "../../src/report/profile.ts";
import { XenHost } from "../support/xen-host.ts";
import { FAILING, SCRIPT } from "../support/xl-script.ts";

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
