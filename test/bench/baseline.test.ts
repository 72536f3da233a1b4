import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildBaseline } from "../../bench/migration/baseline.ts";

const BYTES = 5 * 2 ** 20;
const isHere = process.platform === "linux";
const folder = mkdtempSync(path.join(os.tmpdir(), "xenferry-baseline-"));
let program = "";

beforeAll(() => {
  program = isHere ? buildBaseline(fileURLToPath(new URL("../..", import.meta.url))) : "";
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function pairReports(kind: string, address: string, ...options: readonly string[]) {
  const size = `bytes=${BYTES}`;
  const receive = [`${kind}-receive`, `address=${address}`, size, ...options];
  const receiver = spawn(program, receive, { stdio: ["ignore", "pipe", "inherit"] });
  const closed = once(receiver, "close");
  let output = "";
  receiver.stdout.on("data", (text: Buffer) => {
    output += text.toString();
  });
  await once(receiver.stdout, "data");
  const { listening } = JSON.parse(output) as { readonly listening: string };
  const sender = spawnSync(program, [`${kind}-send`, `address=${listening}`, size], {
    encoding: "utf8",
  });
  expect(await closed).toEqual([0, null]);
  return [sender.stdout, output.trim().split("\n").at(-1)!].map((text) => JSON.parse(text));
}

describe.runIf(isHere)("baseline program", () => {
  test.each([
    ["raw", "unix", ["into=hot"]],
    ["raw", "unix", ["into=mapped"]],
    ["raw", "tcp", ["into=pwrite"]],
    ["stock", "unix", []],
    ["stock", "tcp", []],
  ] as const)("%s over %s %j moves everything", async (kind, via, options) => {
    const socket = path.join(folder, `${kind}${options.join()}`);
    const address = via === "unix" ? `unix:${socket}` : "tcp:0";
    for (const report of await pairReports(kind, address, ...options)) {
      expect(report).toMatchObject({ bytes: BYTES, seconds: expect.any(Number) });
      expect(report.seconds).toBeGreaterThan(0);
    }
  });

  test("the sum tells files of different content apart", () => {
    const sums = [1, 1, 2].map((seed, number) => {
      const file = `path=${path.join(folder, `file${number}`)}`;
      spawnSync(program, ["random-file", file, `bytes=${BYTES}`, `seed=${seed}`]);
      return spawnSync(program, ["sum", file], { encoding: "utf8" }).stdout;
    });
    expect(sums[0]).toMatch(/"bytes":5242880,"sum":"[0-9a-f]{16}"/);
    expect(sums[1]).toBe(sums[0]);
    expect(sums[2]).not.toBe(sums[0]);
  });

  test("rusage hands on the exit status and says what was used", () => {
    const file = path.join(folder, "usage");
    const { status } = spawnSync(program, ["rusage", file, "sh", "-c", "exit 7"]);
    expect(status).toBe(7);
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
      userSeconds: expect.any(Number),
      systemSeconds: expect.any(Number),
      peakRssBytes: expect.any(Number),
    });
  });

  test("an unknown subcommand is wrong use", () => {
    expect(spawnSync(program, ["nothing"]).status).toBe(2);
  });
});
