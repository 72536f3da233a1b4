import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { StreamListing } from "../../src/migration/verify-listing.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { goldenStreams } from "../golden/build.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";
import { sourceOf } from "../support/sources.ts";

async function listingOf(source: Parameters<typeof verifyStream>[0]): Promise<readonly string[]> {
  const listing = new StreamListing();
  const lines: string[] = [];
  await verifyStream(source, {
    pageDataHead: createReferenceEngine(),
    onEvent: (event) => lines.push(...listing.linesOf(event)),
  });
  return lines;
}

test("everything there is to list", async () => {
  const streams = goldenStreams();
  const lines = await listingOf(sourceOf(streams.get("hvm-v3.xl")!));
  expect(lines).toEqual([
    "Processed xl header",
    "Libxl Header: little endian",
    "Libxl Record: Libxc context, length 0",
    "Libxc Image Header: Version 3, little endian",
    "Domain Header: x86 HVM from Xen 4.17",
    "Libxc Record: x86 CPUID policy, length 48",
    "Libxc Record: x86 MSR policy, length 16",
    "Libxc Record: Static data end, length 0",
    "Squashed 2 Page Data records together",
    "Libxc Record: TSC info, length 24",
    "  Mode 1, 2400000 kHz, 123456789012 ns, incarnation 3",
    "Libxc Record: HVM params, length 40",
    "Libxc Record: HVM context, length 56",
    "Libxc Record: End, length 0",
    "Libxl Record: Emulator xenstore data, length 69",
    "Emulator Xenstore Data (Qemu Upstream, idx 0)",
    "  'physmap/f0000000/start_addr' = 'f0000000'",
    "  'physmap/f0000000/size' = '1'",
    "Libxl Record: Emulator context, length 29",
    "  Index 0, type Qemu Upstream",
    "Libxl Record: End, length 0",
  ]);
  expect(await listingOf(sourceOf(streams.get("hvm-v2-converted.xl")!))).toContain(
    "Domain Header: legacy converted x86 HVM",
  );
});

const shared = sharedFolder();
const folder = path.join(shared ?? "", "streams");
const title = shared === undefined ? `images of Xen (skipped: ${NO_SHARED})` : "images of Xen";

describe.skipIf(shared === undefined)(title, () => {
  test.each([
    "xen-4.17-pv64-save",
    "xen-4.17-pv32-live",
    "xen-4.17-pvhverify-liveverify",
    "xen-4.17-hvm-save",
  ])("%s is listed as verify-stream-v2 does", async (name) => {
    const image = await openImage(path.join(folder, `${name}.xl.zst`));
    const lines = await listingOf(image);
    await image.close();
    const expected = readFileSync(path.join(folder, `${name}.verify.txt`), "utf8");
    expect(`${lines.join("\n")}\n`).toBe(expected);
  });
});
