/** Trials with images as Xen had them before 4.6. */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Helper } from "../matrix.ts";
import { type Bench, create, type Facts } from "./bench.ts";

/** Dom0 was a 64-bit one. */
const TOOLSTACK_WIDTH = 64;

/** The guest's image, in the old format, becomes the guest again by way of a converter. */
export async function restoreLegacy(
  { convertBy, restoreBy }: { readonly convertBy: Helper; readonly restoreBy: Helper },
  bench: Bench,
): Promise<Facts> {
  // Here, for it loads much of the codec, which no other trial needs.
  const { legacyOfV2 } = await import("../../support/legacy-of-v2.ts");
  const guest = await create(bench);
  const image = path.join(bench.folder, "image");
  const old = path.join(bench.folder, "legacy");
  const mark = guest.mark();
  await guest.save(image, [], { helper: "stock" });
  const bytes = await legacyOfV2(readFileSync(image), TOOLSTACK_WIDTH);
  writeFileSync(old, bytes);
  const environment = bench.commands.converterVariables(convertBy);
  const restored = await guest.restore(old, [], { helper: restoreBy, environment });
  if (!restored.lines.some(({ text }) => /fmt info 0x1\//.test(text))) {
    throw new Error("xl took it for no legacy image");
  }
  await guest.goesOn(mark);
  return { legacyBytes: bytes.length, restoreMs: restored.wallMs };
}
