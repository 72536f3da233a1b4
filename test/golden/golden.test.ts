import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { StreamInspector } from "../../src/migration/inspect.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { collectEvents, encodeAll } from "../support/events.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { sourceOf } from "../support/sources.ts";
import { goldenStreams } from "./build.ts";

const FOLDER = fileURLToPath(new URL("streams", import.meta.url));
const { GOLDEN } = process.env;

if (GOLDEN === "write") {
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, bytes] of goldenStreams()) {
    writeFileSync(path.join(FOLDER, name), bytes);
  }
}

describe("golden streams (GOLDEN=write rebuilds them)", () => {
  test("no file without a builder", () => {
    expect(readdirSync(FOLDER).sort()).toEqual([...goldenStreams().keys()].sort());
  });

  test.each([...goldenStreams()])("%s is what the builder makes", (name, bytes) => {
    expect(readFileSync(path.join(FOLDER, name)).equals(bytes)).toBe(true);
  });

  test.each([...goldenStreams()])("%s is written again octet by octet", async (_name, bytes) => {
    expect(Buffer.compare(await encodeAll(bytes), bytes)).toBe(0);
  });

  test.each([...goldenStreams()])(
    "%s is accepted unless it cannot be restored",
    async (name, bytes) => {
      const result = await verifyStream(sourceOf(bytes), { pageDataHead: plainHeadCodec });
      const refused = name.includes("big-endian")
        ? ["STREAM_BIG_ENDIAN", "STREAM_BIG_ENDIAN", "STREAM_BIG_ENDIAN"]
        : name.includes("optional")
          ? ["RECORD_OPTIONAL"]
          : [];
      const codes = result.findings.filter(({ severity }) => severity !== "suspicious");
      expect(codes.map(({ code }) => code)).toEqual(refused);
      expect(result.summary.isComplete).toBe(true);
    },
  );

  test("both byte orders hold the same", async () => {
    const streams = goldenStreams();
    const inspect = async (name: string) => {
      const inspector = new StreamInspector({});
      for (const event of await collectEvents(streams.get(name)!, { purpose: "inspect" })) {
        await inspector.take(event);
      }
      const { memory_sha256, records, details, page_entries_by_type } = await inspector.finish();
      await inspector.close();
      return { memory_sha256, records, details, page_entries_by_type };
    };
    expect(await inspect("pv64-v3-big-endian.xl")).toEqual(await inspect("pv64-v3.xl"));
  });
});
