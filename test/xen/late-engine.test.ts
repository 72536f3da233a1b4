import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { FakeXen, fakeLibraries, HVM_SUSPENDED, RAM } from "../support/fake-xen.ts";

const SAVE = ["--save-domain", "3", "-1", "5"];
const PLAIN = "0";
/** suspend, switch_qemu_logdirty */
const CALLBACKS = "136";
const SUCCESS = [0, 0];

let xen: FakeXen;
let libraries: string;

beforeAll(() => {
  libraries = fakeLibraries(22);
});

beforeEach(() => {
  xen = new FakeXen(mkdtempSync(path.join(tmpdir(), "xenferry-late-engine-")), libraries);
  xen.makeGuest(5, new Uint8Array(64).fill(RAM), (pfn) => new Uint8Array(PAGE_BYTES).fill(pfn));
});

afterEach(() => rmSync(xen.folder, { recursive: true }));

test.each([
  ["nothing of a job that has no use for it", {}, []],
  ["the one that was asked for by name", { XENFERRY_ENGINE: "native" }, ["engine.node"]],
  ["the one that the profile speaks of", { XENFERRY_REPORT: "stderr" }, ["engine.node"]],
])("of engines a helper loads %s", async (_, environment, expected) => {
  const libxl = xen.start([...SAVE, "0", CALLBACKS, PLAIN], "image", environment);
  let loaded: readonly string[] = [];
  for (let message = await libxl.next(); message; message = await libxl.next()) {
    if (message.name === "suspend") {
      xen.write(5, "flags", HVM_SUSPENDED);
      libxl.answer(1);
    } else if (message.name === "complete") {
      expect(message.values).toEqual(SUCCESS);
      const maps = readFileSync(`/proc/${libxl.child.pid}/maps`, "utf8");
      loaded = ["engine.node", "engine.wasm"].filter((name) => maps.includes(name));
      libxl.answer(0);
    }
  }
  expect(loaded).toEqual(expected);
});
