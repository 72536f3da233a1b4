import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createFileSink } from "../../src/transport/file-sink.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "xenferry-test-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe("createFileSink", () => {
  it("shows the file only when it is complete", async () => {
    const file = path.join(folder, "image");
    const sink = await createFileSink(file);
    await Promise.all([
      sink.write(Buffer.from("ab"), Buffer.from("c")),
      sink.write(Buffer.from("d")),
    ]);
    expect(await readdir(folder)).not.toContain("image");
    await sink.end();
    await sink.abort();
    expect(await readdir(folder)).toEqual(["image"]);
    expect(await readFile(file, "utf8")).toBe("abcd");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it("leaves nothing, and what was there before, when it is given up", async () => {
    const file = path.join(folder, "image");
    await writeFile(file, "old");
    const sink = await createFileSink(file);
    await sink.write(Buffer.from("new"));
    await sink.abort();
    expect(await readdir(folder)).toEqual(["image"]);
    expect(await readFile(file, "utf8")).toBe("old");
  });

  it("writes more chunks at once than the kernel takes", async () => {
    const file = path.join(folder, "image");
    const sink = await createFileSink(file);
    const chunks = Array.from({ length: 3000 }, (_, index) => Buffer.from([index & 0xff]));
    await sink.write(...chunks);
    await sink.end();
    expect(await readFile(file)).toEqual(Buffer.concat(chunks));
  });

  it("says that the folder does not exist", async () => {
    const file = path.join(folder, "none", "image");
    await expect(createFileSink(file)).rejects.toMatchObject({ code: "TRANSPORT_OPEN" });
  });
});
