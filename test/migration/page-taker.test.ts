import { constants } from "node:fs";
import { open, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { pageTaker } from "../../src/migration/page-taker.ts";
import { BufferedSource } from "../../src/transport/buffered-source.ts";
import { probePump } from "../../src/transport/pump-addon.ts";
import { fuzzSettings } from "../support/fuzz.ts";
import { fuzzReceive } from "../support/fuzz-receive.ts";

const { addon, reason } = probePump();

/** Whether files in `folder` can be read past the page cache. */
async function takesDirect(folder: string): Promise<boolean> {
  const file = path.join(folder, `xenferry-direct-${process.pid}`);
  await writeFile(file, "");
  const opened = await open(file, constants.O_RDONLY | constants.O_DIRECT).catch(() => undefined);
  await opened?.close();
  await rm(file);
  return opened !== undefined;
}

describe.skipIf(addon === undefined)(`taking pages by threads (${reason ?? "add-on"})`, () => {
  it("stores and refuses what reading by events does", async () => {
    const { failures, directBytes } = await fuzzReceive(fuzzSettings("receive", 300));
    expect(failures).toBeGreaterThan(50);
    expect(directBytes > 0).toBe(await takesDirect(os.tmpdir()));
  });
});

describe("pageTaker", () => {
  it("leaves pages to events where the native engine is not used", () => {
    const source = new BufferedSource([]);
    const { signal } = new AbortController();
    const memory = () => ({ pfnCount: 1, scatter: async () => undefined });
    const parts = { source, engine: createReferenceEngine(), signal, memory };
    expect(pageTaker(parts)).toBeUndefined();
  });
});
