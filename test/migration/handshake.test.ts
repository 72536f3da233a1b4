import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import {
  type SourceHandshake,
  sourceHandshake,
  type TargetHandshake,
  targetHandshake,
} from "../../src/migration/handshake.ts";
import { ReadableSource } from "../../src/transport/readable-source.ts";
import { WritableSink } from "../../src/transport/writable-sink.ts";

interface Ends {
  readonly source: SourceHandshake;
  readonly target: TargetHandshake;
  /** Raw pipes, to say something unexpected or to break off. */
  readonly toSource: PassThrough;
  readonly toTarget: PassThrough;
}

function ends(): Ends {
  const toSource = new PassThrough();
  const toTarget = new PassThrough();
  return {
    source: sourceHandshake(new ReadableSource(toSource), new WritableSink(toTarget)),
    target: targetHandshake(new ReadableSource(toTarget), new WritableSink(toSource)),
    toSource,
    toTarget,
  };
}

describe("hand-shake", () => {
  it("says xl's sentences octet for octet", async () => {
    const { source, target, toSource, toTarget } = ends();
    const said: Buffer[] = [];
    const permission: Buffer[] = [];
    toSource.on("data", (chunk: Buffer) => said.push(chunk));
    toTarget.on("data", (chunk: Buffer) => permission.push(chunk));
    await target.sendBanner();
    await target.sendReady();
    await target.sendReport("running");
    await target.sendReport("failed");
    await source.permit();
    expect(Buffer.concat(said).toString("latin1")).toBe(
      "xl migration receiver ready, send binary domain data.\n" +
        "domain received, ready to unpause\0" +
        "my copy unpause results are as follows\0\0" +
        "my copy unpause results are as follows\0\x01",
    );
    expect(Buffer.concat(permission).toString("latin1")).toBe(
      "domain is yours, you are cleared to unpause\0",
    );
  });

  it("goes through when all is well", async () => {
    const { source, target } = ends();
    await target.sendBanner();
    await source.awaitBanner();
    await target.sendReady();
    await source.awaitReady();
    await source.permit();
    await target.awaitPermission();
    await target.sendReport("running");
    expect(await source.awaitReport()).toBe("running");
  });

  it("hands the guest back after a failed report", async () => {
    const { source, target } = ends();
    await target.sendReport("failed");
    await target.sendPermissionBack();
    expect(await source.awaitReport()).toBe("failed");
    await expect(source.awaitPermissionBack()).resolves.toBeUndefined();
  });

  it("finds the banner behind what a login shell says", async () => {
    const { source, target, toSource } = ends();
    toSource.write("Welcome to xen2!\n");
    await target.sendBanner();
    await target.sendReady();
    await source.awaitBanner();
    await expect(source.awaitReady()).resolves.toBeUndefined();
  });

  it.each([
    ["closes", (pipe: PassThrough) => pipe.end()],
    ["says something else without end", (pipe: PassThrough) => pipe.end(Buffer.alloc(70_000, 46))],
  ])("knows that nobody receives when the peer %s", async (_what, act) => {
    const { source, toSource } = ends();
    act(toSource);
    await expect(source.awaitBanner()).rejects.toMatchObject({ code: "HANDSHAKE_BANNER" });
  });

  it("is refused while the guest is still ours", async () => {
    const { source, toSource } = ends();
    toSource.end();
    await expect(source.awaitReady()).rejects.toMatchObject({
      code: "HANDSHAKE_REFUSED",
      cause: { code: "STREAM_TRUNCATED" },
    });
  });

  it.each(["awaitReport", "awaitPermissionBack"] as const)(
    "is undecided when the peer vanishes before %s",
    async (step) => {
      const { source, toSource } = ends();
      toSource.end("my copy");
      await expect(source[step]()).rejects.toMatchObject({ code: "HANDSHAKE_UNDECIDED" });
    },
  );

  it("does not take another sentence for permission", async () => {
    const { target, toTarget } = ends();
    toTarget.write("domain is mine!, you are cleared to unpause\0");
    await expect(target.awaitPermission()).rejects.toMatchObject({ code: "HANDSHAKE_SENTENCE" });
  });

  it("reads the answer to an offer, then ready", async () => {
    const { source, target } = ends();
    const answer = { channels: 3, zstd: true, token: new Uint8Array(16).fill(7) };
    const answered = source.awaitAnswer();
    const ready = source.awaitReady();
    await target.sendAnswer(answer);
    expect(await answered).toEqual(answer);
    await target.sendReady();
    await expect(ready).resolves.toBeUndefined();
  });

  it("takes ready for the answer of a receiver that knows no offers", async () => {
    const { source, target } = ends();
    const answered = source.awaitAnswer();
    const ready = source.awaitReady();
    await target.sendReady();
    expect(await answered).toBeUndefined();
    await expect(ready).resolves.toBeUndefined();
  });

  it("refuses what is neither answer nor ready", async () => {
    const { source, toSource } = ends();
    const answered = source.awaitAnswer();
    const ready = source.awaitReady();
    toSource.write("domain received, ready to explode\0");
    await expect(answered).rejects.toMatchObject({ code: "HANDSHAKE_REFUSED" });
    await expect(ready).rejects.toMatchObject({ code: "HANDSHAKE_REFUSED" });
  });
});
