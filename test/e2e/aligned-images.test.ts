import { spawnSync } from "node:child_process";
import { readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadNativeEngine } from "../../src/engine/native.ts";
import { listGuests, openBackend } from "../../src/guest/open.ts";
import { restoreGuest } from "../../src/migration/restore.ts";
import { saveGuest } from "../../src/migration/save.ts";
import { openImage } from "../../src/transport/image-file.ts";
import { probePump } from "../../src/transport/pump-addon.ts";
import { makeRunDir, storesMore, type TestRunDir, unavailableKinds } from "../support/guests.ts";
import { createGuest, TRANSFER } from "../support/migration.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const isHere =
  probePump().addon !== undefined && !(await unavailableKinds(["process"])).has("process");
const SPEC = "process:memory=8M,dirty=2000p,hot=25%,vcpus=2,fill=random,name=web";

let place: TestRunDir;
let file: string;

beforeEach(async () => {
  place = await makeRunDir();
  file = path.join(place.runDir, "web.xl");
});

afterEach(async () => {
  await place.dispose();
});

function json(...args: readonly string[]) {
  const command = [MAIN, "--run-dir", place.runDir, "--json", "-q", ...args];
  const { stdout, stderr, status } = spawnSync(process.execPath, command, { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout === "" ? undefined : JSON.parse(stdout);
}

const leftovers = async () =>
  (await readdir(place.runDir)).filter((name) => name.includes("web.xl"));

describe.runIf(isHere)("an aligned image", () => {
  test.each(["auto", "cached", "direct"])("goes out and in again, %s", (way) => {
    json("create", "--guest", SPEC);
    const saved = json("save", "web", file, "--align-pages", "--file-access", way);
    expect(saved.directBytes === 0 || way !== "cached").toBe(true);
    expect(json("verify", file)).toMatchObject({ findings: [], summary: { isAccepted: true } });
    expect(JSON.stringify(json("inspect", file))).toContain("PAGE_ALIGNMENT");
    const restored = json("restore", file, "--file-access", way);
    expect(restored.bytes).toBe(saved.totalBytes);
    expect(restored.directBytes === 0 || way !== "cached").toBe(true);
    expect(json("check", "web")).toMatchObject({ pagesBad: 0, versionsMatch: true });
  });

  test("goes out while the guest goes on, pages changing under the disk", async () => {
    const guest = await createGuest(place.runDir, SPEC);
    await storesMore(guest, 50);
    for (let round = 0; round < 5; round++) {
      const job = { ...TRANSFER, guest, engine: loadNativeEngine(), after: "continue" } as const;
      const pump = { ...TRANSFER.pump, alignsPages: true, fileAccess: "direct" } as const;
      const { signal } = new AbortController();
      const { pump: name } = await saveGuest({ ...job, pump, file, signal });
      expect(name).toBe("native");
    }
    await guest.destroy();
    await guest.cleanup();
    json("restore", file);
    expect(json("check", "web")).toMatchObject({ pagesBad: 0, versionsMatch: true });
  });

  test.each([
    ["dense", []],
    ["aligned, cached", ["--align-pages", "--file-access", "cached"]],
    ["aligned, direct", ["--align-pages", "--file-access", "direct"]],
  ] as const)(
    "is not there, %s, where the disk takes no more; the guest runs",
    async (_how, options) => {
      json("create", "--guest", SPEC);
      const command = [
        MAIN,
        "--run-dir",
        place.runDir,
        "--json",
        "-q",
        "save",
        "web",
        file,
        ...options,
      ];
      const limited = ["-c", 'ulimit -f 4096; exec "$@"', "sh", process.execPath, ...command];
      const { stderr, status } = spawnSync("sh", limited, { encoding: "utf8" });
      expect(status).toBe(1);
      expect(JSON.parse(stderr)).toMatchObject({ error: [{ code: "TRANSPORT_LOST" }, {}] });
      expect(await leftovers()).toEqual([]);
      expect(json("list")).toMatchObject([{ name: "web", state: "running" }]);
    },
  );

  test("is asked for where the way to the file is", () => {
    const command = [
      MAIN,
      "--run-dir",
      place.runDir,
      "save",
      "web",
      file,
      "--file-access",
      "direct",
    ];
    const { stderr, status } = spawnSync(process.execPath, command, { encoding: "utf8" });
    expect(status).toBe(2);
    expect(stderr).toContain("--align-pages");
  });

  test("is not there after an interruption amid its pages; the guest runs", async () => {
    const guest = await createGuest(place.runDir, SPEC);
    const interruption = new AbortController();
    const saving = saveGuest({
      ...TRANSFER,
      guest,
      engine: loadNativeEngine(),
      file,
      after: "destroy",
      pump: { ...TRANSFER.pump, bytesPerSecondMax: 4 << 20, alignsPages: true },
      onProgress: (event) => {
        if (event.kind === "pages" && event.pagesDone > 0) {
          interruption.abort();
        }
      },
      signal: interruption.signal,
    });
    await expect(saving).rejects.toMatchObject({ code: "MIGRATION_INTERRUPTED" });
    expect(await leftovers()).toEqual([]);
    await storesMore(guest, 20);
    await guest.cleanup();
  });

  test("gives no guest where reading it is interrupted", async () => {
    json("create", "--guest", SPEC);
    json("save", "web", file, "--align-pages");
    const interruption = new AbortController();
    const source = await openImage(file);
    const restoring = restoreGuest({
      source,
      engine: loadNativeEngine(),
      signal: interruption.signal,
      startAs: "running",
      prepare: async (config) => {
        interruption.abort();
        return (await openBackend(config.kind, place)).prepare(config);
      },
    });
    await expect(restoring).rejects.toMatchObject({ code: "MIGRATION_INTERRUPTED" });
    await source.close();
    expect(await listGuests(place)).toEqual([]);
  });

  test("may lie at any offset: what is not aligned is read through the page cache", async () => {
    json("create", "--guest", SPEC);
    json("save", "web", file);
    expect(json("restore", file, "--file-access", "direct").directBytes).toBeLessThan(8 << 20);
    expect(json("check", "web")).toMatchObject({ pagesBad: 0, versionsMatch: true });
  });
});
