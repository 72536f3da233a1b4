import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { join } from "../support/bytes.ts";
import { sharedFolder } from "../support/shared.ts";
import { wholeImage } from "../support/whole-image.ts";
import { findVerifyStreamV2 } from "../support/xen-tools.ts";
import { allMutants } from "./all.ts";
import { Draft } from "./draft.ts";
import { type Kind, REAL_IMAGES } from "./mutation.ts";
import { readVerdicts, writeVerdicts } from "./stored.ts";
import { renderVerdicts } from "./table.ts";
import type { Verdict } from "./verdict.ts";

const TABLE = fileURLToPath(new URL("verdicts.md", import.meta.url));
const { VERDICTS } = process.env;

if (VERDICTS === "write") {
  const { xen, verdicts } = readVerdicts();
  writeVerdicts({ xen, verdicts: await judgeAll(verdicts) });
  writeFileSync(TABLE, renderVerdicts(allMutants(), readVerdicts()));
}

test("the table is that of what is known (VERDICTS=write makes it)", () => {
  const text = existsSync(TABLE) ? readFileSync(TABLE, "utf8") : "";
  expect(text).toBe(renderVerdicts(allMutants(), readVerdicts()));
});

/** Has Xen's verify-stream-v2 judge mutants of real images that it has not judged yet. */
async function judgeAll(verdicts: readonly Verdict[]): Promise<readonly Verdict[]> {
  const tool = findVerifyStreamV2();
  const shared = sharedFolder();
  if (typeof tool === "string" || shared === undefined) {
    throw new Error(typeof tool === "string" ? tool : "there are no real images");
  }
  const folder = mkdtempSync(path.join(os.tmpdir(), "xenferry-mutants-"));
  const file = path.join(folder, "mutant.xl");
  const images = new Map<Kind, Uint8Array>();
  const judged: Verdict[] = [];
  for (const verdict of verdicts) {
    const { mutation: name, kind } = verdict;
    const mutant = allMutants().find((one) => one.mutation.name === name && one.kind === kind);
    if (mutant === undefined || verdict.verifyStreamV2 !== undefined) {
      judged.push(verdict);
      continue;
    }
    const image =
      images.get(kind) ?? (await wholeImage(path.join(shared, "streams", REAL_IMAGES[kind])));
    images.set(kind, image);
    const draft = new Draft(image);
    mutant.mutation.edit(draft, kind);
    writeFileSync(file, join(...draft.chunks()));
    const { status, stderr } = spawnSync("python3", [tool.script, "-f", "xl", "-i", file], {
      env: { ...process.env, PYTHONPATH: tool.modules },
      encoding: "utf8",
    });
    judged.push({ ...verdict, ...judgement(status, stderr) });
  }
  rmSync(folder, { recursive: true });
  return judged;
}

/** 0 is a sound stream, 1 a wrong one, and 2 a fault of the program's own. */
function judgement(
  status: number | null,
  stderr: string,
): Pick<Verdict, "verifyStreamV2" | "verifyStreamV2Reason"> {
  const lines = stderr.trim().split("\n");
  const line = lines.findLast((text) => /^[\w.]*(Error|Warning|Exception)\b/.test(text));
  const reason = line?.replace(/^xen\.migration\.verify\./, "");
  return {
    verifyStreamV2: status === 0 ? "accepted" : status === 1 ? "refused" : "failed",
    ...(reason !== undefined && { verifyStreamV2Reason: reason }),
  };
}
