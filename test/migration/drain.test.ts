import { closeSync, readSync, writeSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { ByteSink } from "../../src/base/io.ts";
import { drainPipe } from "../../src/migration/drain.ts";
import { type PumpAddon, probePump } from "../../src/transport/pump-addon.ts";

const { addon } = probePump();

function sinkOf(fd: number): ByteSink {
  const direct = { fd, isPositioned: false, advance: () => undefined };
  return { direct } as unknown as ByteSink;
}

/** An add-on that has the peer take an octet each time the queue is looked at. */
function readingAsAsked(real: PumpAddon, peer: number): { asked: number[]; addon: PumpAddon } {
  const asked: number[] = [];
  const queuedBytes = (fd: number) => {
    const count = real.queuedBytes(fd);
    asked.push(count);
    if (count > 0) {
      readSync(peer, Buffer.alloc(1));
    }
    return count;
  };
  return { asked, addon: { queuedBytes } as unknown as PumpAddon };
}

describe.runIf(addon !== undefined)("draining", () => {
  test("waits until the peer has taken everything", async () => {
    const [ours, theirs] = addon!.link() as readonly [number, number];
    writeSync(ours, Buffer.from("abc"));
    const watched = readingAsAsked(addon!, theirs);
    await drainPipe(watched.addon, sinkOf(ours), new AbortController().signal);
    expect(watched.asked).toHaveLength(4);
    expect(watched.asked.at(-1)).toBe(0);
    closeSync(ours);
    closeSync(theirs);
  });

  test("ends when it is interrupted, and when the peer has gone", async () => {
    const [ours, theirs] = addon!.link() as readonly [number, number];
    writeSync(ours, Buffer.from("abc"));
    const interrupted = drainPipe(addon, sinkOf(ours), AbortSignal.abort());
    await expect(interrupted).rejects.toMatchObject({ code: "MIGRATION_INTERRUPTED" });
    closeSync(theirs);
    await drainPipe(addon, sinkOf(ours), new AbortController().signal);
    closeSync(ours);
  });

  test("waits for nothing where there is no descriptor, or it is a file", async () => {
    const { signal } = new AbortController();
    await drainPipe(addon, {} as ByteSink, signal);
    await drainPipe(undefined, sinkOf(1), signal);
    expect(addon!.queuedBytes(-1)).toBe(0);
  });
});
