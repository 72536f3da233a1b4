import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { pullEvents } from "../../src/codec/pull.ts";
import { StreamEncoder } from "../../src/codec/stream-writer.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { inspectStream } from "../../src/migration/inspect.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { NO_SHARED, SHARED, sharedImages } from "../support/shared.ts";
import { threeEngines } from "../support/three-engines.ts";

if (SHARED === undefined) {
  console.warn(`images of real Xen: ${NO_SHARED}`);
}

/** sha256 of each uncompressed image, from the list beside them. */
function knownDigests(): ReadonlyMap<string, string> {
  const text = readFileSync(path.join(SHARED ?? "", "streams", "README.md"), "utf8");
  const lines = [...text.matchAll(/^\s+([0-9a-f]{64})\s+(\S+)\.xl$/gm)];
  return new Map(lines.map(([, digest, name]) => [name!, digest!]));
}

describe.skipIf(SHARED === undefined).each(sharedImages())("%s", (stem) => {
  const name = path.basename(stem);

  it("is accepted, whatever follows its end", async () => {
    const image = await openImage(`${stem}.xl.zst`);
    const report = await verifyStream(image, createReferenceEngine());
    await image.close();
    expect(report.findings.filter(({ severity }) => severity !== "suspicious")).toEqual([]);
    expect(report.isAccepted).toBe(true);
    expect(report.isHandoverTrailing).toBe(report.trailingBytes === 44);
    expect([0, 44]).toContain(report.trailingBytes);
  });

  it("holds what an independent program counted in it", async () => {
    const image = await openImage(`${stem}.xl.zst`);
    const report = await inspectStream(image, createReferenceEngine(), { withDigest: true });
    await image.close();
    const summary = JSON.parse(readFileSync(`${stem}.summary.json`, "utf8"));
    expect(report).toMatchObject(summary);
    expect(report.faults).toEqual([]);
  });

  it.each(threeEngines())(
    "comes out of decoding and encoding as it was, with %s",
    async (_label, engine) => {
      const image = await openImage(`${stem}.xl.zst`);
      const encoder = new StreamEncoder(engine);
      const hash = createHash("sha256");
      for await (const event of pullEvents(image, engine, { afterEnd: "read" })) {
        for (const chunk of encoder.encode(event)) {
          hash.update(chunk);
        }
      }
      await image.close();
      expect(hash.digest("hex")).toBe(knownDigests().get(name));
    },
  );
});
