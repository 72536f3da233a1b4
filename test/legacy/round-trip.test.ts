import path from "node:path";
import { describe, expect, test } from "vitest";
import { inspectStream } from "../../src/migration/inspect.ts";
import { verifyStream } from "../../src/migration/verify-stream.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { join } from "../support/bytes.ts";
import { plainHeadCodec } from "../support/head-codec.ts";
import { legacyOfV2 } from "../support/legacy-of-v2.ts";
import { convertBytes } from "../support/legacy-run.ts";
import { NO_SHARED, sharedFolder } from "../support/shared.ts";
import { sourceOf } from "../support/sources.ts";

const shared = sharedFolder();
const title =
  shared === undefined ? `images of real guests (skipped: ${NO_SHARED})` : "real guests";

async function contentOf(name: string): Promise<Uint8Array> {
  const image = await openImage(path.join(shared ?? "", "streams", `${name}.xl.zst`));
  const chunks: Uint8Array[] = [];
  for (let next = await image.some(1 << 20); next; next = await image.some(1 << 20)) {
    chunks.push(next.slice());
  }
  await image.close();
  return join(...chunks);
}

/** What a guest is, as an image has it. */
async function guestIn(image: Uint8Array) {
  const { frames, memory_sha256, details, xl } = await inspectStream(sourceOf(image), {
    pageDataHead: plainHeadCodec,
  });
  const state = details.filter(({ name }) => STATE.has(String(name)));
  return { frames, memory_sha256, config: xl?.config, state: state.map(withoutOffset) };
}

/** Records that both formats have, and whose decoded fields do not depend on how they are split. */
const STATE = new Set([
  "X86_TSC_INFO",
  "X86_PV_INFO",
  "X86_PV_P2M_FRAMES",
  "EMULATOR_XENSTORE_DATA",
]);

function withoutOffset({ offset: _, emulator_id: __, emulator: ___, ...rest }: Detail) {
  return rest;
}

type Detail = Readonly<Record<string, unknown>>;

describe.skipIf(shared === undefined)(title, () => {
  const cases = [
    ["xen-4.17-hvm-save", 64],
    ["xen-4.17-pv64-save", 32],
    ["xen-4.17-pv64-save", 64],
    ["xen-4.17-pv32-save", 32],
    ["xen-4.17-pv32-save", 64],
  ] as const;
  test.each(cases)("%s as a %i-bit toolstack would have saved it", async (name, width) => {
    const image = await contentOf(name);
    const { bytes, outcome } = await convertBytes(await legacyOfV2(image, width));
    expect(outcome.legacy).toMatchObject({ width, checkpoints: 1 });
    expect(await guestIn(bytes)).toEqual(await guestIn(image));
    const verified = await verifyStream(sourceOf(bytes), { pageDataHead: plainHeadCodec });
    expect(verified.findings.filter(({ severity }) => severity !== "suspicious")).toEqual([]);
  });
});
