import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import type { PageDataEvent, StreamEvent } from "../../src/codec/events.ts";
import { PageDataDecoder } from "../../src/codec/page-data.ts";
import { PushReader } from "../../src/codec/push.ts";
import { StreamEncoder } from "../../src/codec/stream-writer.ts";
import { type Inspection, StreamInspector } from "../../src/migration/inspect.ts";
import { StreamVerifier, type VerifyResult } from "../../src/migration/stream-verifier.ts";
import { watchedEvents } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { join } from "../support/bytes.ts";
import { enginesUnderTest, type LabelledEngine } from "../support/engines.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";

const shared = sharedFolder();
const folder = shared === undefined ? undefined : path.join(shared, "streams");
const names =
  folder === undefined
    ? []
    : readdirSync(folder)
        .filter((name) => name.endsWith(".xl.zst"))
        .map((name) => name.replace(".xl.zst", ""));

/** The parts of a summary that are looked at one by one. */
interface Summary {
  readonly trailing_bytes: number;
  readonly page_entries_by_type: Readonly<Record<string, number>>;
}

/** Lines "<sha256>  <name>.xl" of the uncompressed streams. */
function expectedDigests(): ReadonlyMap<string, string> {
  const text = readFileSync(path.join(folder ?? "", "README.md"), "utf8");
  return new Map([...text.matchAll(/\b([0-9a-f]{64})\s+(\S+)\.xl\b/g)].map((m) => [m[2]!, m[1]!]));
}

/** One reading of a stream, for everything at once: they are long. */
async function readOnce(name: string): Promise<{
  readonly verified: VerifyResult;
  readonly inspected: Inspection;
  readonly sha256: string;
}> {
  const [first, ...others] = enginesUnderTest().engines.filter(({ label }) => !label.includes(":"));
  const image = await openImage(path.join(folder ?? "", `${name}.xl.zst`));
  const verifier = new StreamVerifier({});
  const inspector = new StreamInspector({});
  const encoder = new StreamEncoder(first!.engine);
  const compare = others.map((other) => comparison(other));
  const hash = createHash("sha256");
  try {
    for await (const event of watchedEvents(image, { pageDataHead: first!.engine })) {
      verifier.take(event);
      await inspector.take(event);
      for (const chunk of encoder.encode(event)) {
        hash.update(chunk);
      }
      for (const isSame of compare) {
        isSame(event);
      }
    }
    const inspected = await inspector.finish();
    return { verified: verifier.finish(), inspected, sha256: hash.digest("hex") };
  } finally {
    await inspector.close();
    await image.close();
  }
}

async function decompressed(name: string): Promise<Uint8Array> {
  const image = await openImage(path.join(folder ?? "", `${name}.xl.zst`));
  const chunks: Uint8Array[] = [];
  try {
    for (;;) {
      const chunk = await image.some(1_000_000);
      if (chunk === undefined) {
        return join(...chunks);
      }
      chunks.push(chunk.slice());
    }
  } finally {
    await image.close();
  }
}

/** Checks that another engine finds the same columns and writes the same octets. */
function comparison({ label, engine }: LabelledEngine): (event: StreamEvent) => void {
  const decoder = new PageDataDecoder(engine);
  const encoder = new StreamEncoder(engine);
  return (event) => {
    if (event.kind === "page-data") {
      const again = decoder.decode(rawRecord(event));
      const isSame =
        Buffer.compare(Buffer.from(again.types), Buffer.from(event.types)) === 0 &&
        again.pfns.every((pfn, index) => pfn === event.pfns[index]);
      const [head] = encoder.encode(event);
      const isSameHead = Buffer.compare(
        head!.subarray(8),
        event.body.subarray(0, head!.length - 8),
      );
      expect(isSame && isSameHead === 0, `${label} at ${event.offset}`).toBe(true);
    }
  };
}

function rawRecord(event: PageDataEvent): Parameters<PageDataDecoder["decode"]>[0] {
  const { offset, byteOrder, body } = event;
  const padding = new Uint8Array(0);
  const fixed = { kind: "record", layer: "libxc", type: 1, name: "PAGE_DATA" } as const;
  return { ...fixed, isOptional: false, isInferred: false, offset, byteOrder, body, padding };
}

const title = folder === undefined ? `real streams of Xen (skipped: ${NO_SHARED})` : "real streams";

describe.skipIf(folder === undefined)(title, () => {
  test("there are some", () => {
    expect(names.length).toBeGreaterThan(0);
  });

  test.each(names)("%s: accepted, summarised and written again", async (name) => {
    const text = readFileSync(path.join(folder ?? "", `${name}.summary.json`), "utf8");
    const summary = JSON.parse(text) as Summary;
    const { verified, inspected, sha256 } = await readOnce(name);
    expect(verified.findings.filter(({ severity }) => severity !== "suspicious")).toEqual([]);
    expect(verified.summary.isAccepted).toBe(true);
    expect(verified.summary.trailingSentence).toBe(
      summary.trailing_bytes === 44 ? "PERMISSION" : undefined,
    );
    expect(inspected).toMatchObject(summary);
    expect(Object.keys(inspected.page_entries_by_type).sort()).toEqual(
      Object.keys(summary.page_entries_by_type).sort(),
    );
    expect(inspected.error).toBeUndefined();
    expect(inspected.faults).toEqual([]);
    expect(sha256).toBe(expectedDigests().get(name));
  });

  test("one of them, cut at every record", async () => {
    const bytes = await decompressed("xen-4.17-pv32-save");
    const offsets: number[] = [];
    new PushReader(plainHeadCodec, (event) => {
      if ("offset" in event) {
        offsets.push(event.offset);
      }
    }).write(bytes);
    for (const offset of offsets.filter((own) => own < bytes.length)) {
      for (const cut of [offset, offset + 5]) {
        const reader = new PushReader(plainHeadCodec, () => {});
        reader.write(bytes.subarray(0, cut));
        expect(() => reader.end()).toThrow(
          expect.objectContaining({
            code: "STREAM_TRUNCATED",
            where: expect.objectContaining({ offset: cut }),
          }),
        );
      }
    }
  });
});
