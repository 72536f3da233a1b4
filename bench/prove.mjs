/**
 * Migrates a guest over loopback TCP again and again and has it prove its memory each time.
 *
 *   node bench/prove.mjs [--runs 20] [--guest process:memory=1G,dirty=200M,hot=10%,vcpus=2]
 *
 * Prints the downtime of each run; exit status 1 unless the proof held in all of them. The
 * project must be built (`npm run build`).
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startReceiver } from "../dist/cli/receiver-child.js";
import { formatAddress } from "../dist/transport/address.js";

const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "20" },
    guest: { type: "string", default: "process:memory=1G,dirty=200M,hot=10%,vcpus=2" },
  },
});

const runDir = mkdtempSync(path.join(os.tmpdir(), "xenferry-prove-"));
let held = 0;
try {
  console.log(`guest ${values.guest}, ${values.runs} runs over tcp://127.0.0.1`);
  for (let run = 1; run <= Number(values.runs); run++) {
    held += (await migrateOnce(run)) ? 1 : 0;
  }
} finally {
  rmSync(runDir, { recursive: true, force: true });
}
console.log(`the proof held in ${held} of ${values.runs} runs`);
process.exitCode = held === Number(values.runs) ? 0 : 1;

async function migrateOnce(run) {
  xenferry("create", "--guest", values.guest, "--name", "prove");
  const receiver = await startReceiver(["--run-dir", runDir]);
  const profile = xenferry("migrate", "prove", formatAddress(receiver.address));
  await receiver.close();
  const check = xenferry("check", "prove");
  xenferry("destroy", "prove");
  const stores = check.vcpus.reduce((sum, vcpu) => sum + Number(vcpu.stores), 0);
  const isProven = check.pagesBad === 0 && check.versionsMatch && stores > 0;
  const { downtime, iterations, totalMs } = profile;
  console.log(
    `run ${run}: ${isProven ? "proven" : "NOT PROVEN"}, ` +
      `downtime ${downtime.totalMs.toFixed(1)} ms, ` +
      `${iterations.length} iterations, total ${totalMs.toFixed(0)} ms`,
  );
  return isProven;
}

/** Runs a command and returns its JSON; commands without a result give nothing. */
function xenferry(...args) {
  const command = [MAIN, "--run-dir", runDir, "--json", "--quiet", ...args];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8" });
  if (status !== 0) {
    throw new Error(`xenferry ${args.join(" ")} ended with status ${status}: ${stderr}${stdout}`);
  }
  return stdout === "" ? undefined : JSON.parse(stdout);
}
