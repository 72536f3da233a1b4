import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readFileSync, readSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LineOutlet } from "../../src/transport/line-outlet.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "xenferry-lines-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (name: string) => path.join(folder, name);

function makePipe(): string {
  execFileSync("mkfifo", [at("pipe")]);
  return at("pipe");
}

describe("lines", () => {
  it("replace what a file held, in their order", async () => {
    await writeFile(at("lines"), "something longer than the lines are");
    const outlet = await LineOutlet.open(at("lines"));
    outlet.write("one", "heavy");
    outlet.write("two", "light");
    await outlet.close(1000);
    expect(readFileSync(at("lines"), "utf8")).toBe("one\ntwo\n");
    expect(outlet.leftOut).toBe(0);
  });

  it("are there at once", async () => {
    const pipe = makePipe();
    const reader = spawn("cat", [pipe], { stdio: ["ignore", "pipe", "inherit"] });
    const opened = openWhenRead(pipe);
    const outlet = await opened;
    outlet.write("one", "heavy");
    const [first] = await once(reader.stdout, "data");
    expect(String(first)).toBe("one\n");
    await outlet.close(1000);
    await once(reader, "exit");
  });

  it("need a pipe that is read, or a file that can be written", async () => {
    await expect(LineOutlet.open(makePipe())).rejects.toMatchObject({ code: "TRANSPORT_OPEN" });
    await expect(LineOutlet.open(at("no/folder"))).rejects.toMatchObject({
      code: "TRANSPORT_OPEN",
      where: { file: at("no/folder") },
    });
  });

  it("are left out where nobody reads, those first that can be done without", async () => {
    const pipe = makePipe();
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const outlet = await LineOutlet.open(pipe);
    const long = "x".repeat(64 * 1024 - 1);
    for (let count = 0; count < 8; count++) {
      outlet.write(long, "light");
    }
    expect(outlet.leftOut).toBe(4);
    outlet.write("last", "heavy");
    expect(outlet.leftOut).toBe(4);
    const ending = outlet.close(20);
    await ending;
    const room = Buffer.alloc(1 << 20);
    expect(readSync(reader, room)).toBeLessThanOrEqual(1 << 18);
    closeSync(reader);
  });

  it("go nowhere when the reader has gone, which is no failure", async () => {
    const pipe = makePipe();
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const outlet = await LineOutlet.open(pipe);
    closeSync(reader);
    outlet.write("one", "heavy");
    await outlet.close(1000);
    const again = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    expect(readSync(again, Buffer.alloc(10))).toBe(0);
    closeSync(again);
  });
});

/** Opens a pipe as soon as its reader, which is being started, has. */
async function openWhenRead(pipe: string): Promise<LineOutlet> {
  for (;;) {
    try {
      return await LineOutlet.open(pipe);
    } catch {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}
