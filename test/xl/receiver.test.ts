import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseAddress } from "../../src/transport/address.ts";
import { checkXenAddress, receiverCommand } from "../../src/xl/receiver.ts";

const ODD_PATH = "/opt/it's $(touch hit)/xenferry-save-helper";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "xenferry-receiver-"));
  // Prints its arguments, one a line, and where its standard error goes.
  const script = '#!/bin/sh\nprintf "%s\\n" "$@"\necho far >&2\n';
  for (const name of ["ssh", "xl"]) {
    writeFileSync(path.join(folder, name), script, { mode: 0o755 });
  }
});

afterEach(() => rmSync(folder, { recursive: true }));

function run(command: string) {
  const { stdout, stderr, output } = spawnSync("sh", ["-c", command], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
    encoding: "utf8",
    cwd: folder,
    env: { PATH: `${folder}:/usr/bin:/bin` },
  });
  return { words: stdout.trimEnd().split("\n"), stderr, far: String(output[3]) };
}

const receiver = (host: string, helper?: string) => ({
  address: checkXenAddress(parseAddress(host), host),
  ssh: "ssh -i key",
  localXl: path.join(folder, "xl"),
  helper,
  isPaused: false,
});

test("tells its process, and leads standard error to a descriptor of its own", () => {
  const { words, stderr, far } = run(receiverCommand(receiver("ssh://root@far:22", ODD_PATH)));
  expect(words.slice(0, -1)).toEqual(["-i", "key", "-p", "22", "root@far"]);
  expect(far).toMatch(/^xenferry-report: \{"event":"transport","pid":\d+,"atMs":0\}\nfar\n$/);
  expect(stderr).toBe("");
});

test("lets the shell at the other end read every word as it is", () => {
  const { words } = run(receiverCommand(receiver("far", ODD_PATH)));
  const remote = words.at(-1)!.replace(/^env /, "printf '%s\\n' ");
  expect(execFileSync("sh", ["-c", remote], { encoding: "utf8", cwd: folder }).split("\n")).toEqual(
    [`LIBXL_SAVE_HELPER=${ODD_PATH}`, "XENFERRY_REPORT=stderr", "xl", "migrate-receive", ""],
  );
});

test("leaves the choice of a helper to the other end where ours is not there", () => {
  expect(run(receiverCommand(receiver("far"))).words.at(-1)).toBe("xl migrate-receive");
});

test("runs xl itself on this machine", () => {
  const { words } = run(receiverCommand({ ...receiver("localhost", ODD_PATH), isPaused: true }));
  expect(words).toEqual(["migrate-receive", "-p"]);
});

test.each(["tcp://10.0.0.1:1", "unix:/x"])("cannot go by %s", (host) => {
  const refusal = expect.objectContaining({ code: "TRANSPORT_ADDRESS" });
  expect(() => receiver(host)).toThrowError(refusal);
});
