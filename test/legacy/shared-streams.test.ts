import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { convertStream } from "../../src/migration/convert.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { join } from "../support/bytes.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { CollectingSink } from "../support/legacy-run.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";
import { sourceOf } from "../support/sources.ts";

const shared = sharedFolder();
const folder = path.join(shared ?? "", "streams", "legacy");
const isThere = shared !== undefined && existsSync(path.join(folder, "MANIFEST.tsv"));

/** What Xen's converter made of a stream. */
interface Row {
  readonly file: string;
  readonly convert_options: string;
  readonly convert_result: string;
  readonly legacy_sha256: string;
  readonly output_size: string;
  readonly output_sha256: string;
}

function manifest(): readonly Row[] {
  const text = isThere ? readFileSync(path.join(folder, "MANIFEST.tsv"), "utf8") : "";
  const [head = "", ...lines] = text.trim().split("\n");
  const names = head.split("\t");
  return lines.map((line) => {
    const fields = line.split("\t");
    return Object.fromEntries(names.map((name, at) => [name, fields[at] ?? ""])) as unknown as Row;
  });
}

/** The converter's own options, as ours. */
function optionsOf(row: Row) {
  const words = row.convert_options.split(" ");
  const value = (name: string) => words[words.indexOf(name) + 1];
  return {
    width: Number(value("-w")) as 32 | 64,
    guest: value("-g") as "pv" | "hvm",
    format: value("-f") as "libxc" | "libxl",
    emulator: words.includes("--skip-qemu") ? "leave" : "read",
    xlHeader: words.includes("-x") ? "with" : "without",
  } as const;
}

const title = isThere ? "legacy streams of Xen's savers" : `legacy streams (skipped: ${NO_SHARED})`;
const rows = manifest().filter(({ convert_result }) => convert_result === "ok");

describe.skipIf(!isThere)(title, () => {
  test("there are some", () => {
    expect(rows.length).toBeGreaterThan(0);
  });

  test.each(rows.map((row) => [`${row.file} ${row.convert_options}`, row] as const))(
    "%s: the octets of Xen's converter, which verify accepts",
    async (_, row) => {
      const sink = new CollectingSink();
      const image = await openImage(path.join(folder, row.file));
      try {
        await convertStream({
          source: image,
          sink,
          pageDataHead: plainHeadCodec,
          streamVersion: 1,
          signal: new AbortController().signal,
          ...optionsOf(row),
        });
      } finally {
        await image.close();
      }
      const bytes = join(...sink.chunks);
      expect(String(bytes.length)).toBe(row.output_size);
      expect(createHash("sha256").update(bytes).digest("hex")).toBe(row.output_sha256);
      const verified = await verifyStream(sourceOf(bytes), { pageDataHead: plainHeadCodec });
      expect(verified.findings.filter(({ severity }) => severity !== "suspicious")).toEqual([]);
      expect(verified.summary.isAccepted).toBe(true);
    },
  );
});
