import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { probeHost } from "../../src/guest/host.ts";

const { addon, reason } = probeHost();

describe.skipIf(addon === undefined)(`the host add-on (${reason ?? "loads"})`, () => {
  test("says where a library is, or why not", () => {
    const { path } = addon!.locateLibrary("libstdc++.so.6");
    expect(existsSync(path ?? "")).toBe(true);
    expect(addon!.locateLibrary("libnone.so.0")).toEqual({
      reason: expect.stringContaining("libnone.so.0"),
    });
  });

  test("says which call keeps writes from being tracked, if one does", () => {
    const obstacle = addon!.writeTrackingObstacle();
    expect(obstacle ?? "PAGEMAP_SCAN").toMatch(/userfaultfd|UFFDIO|PAGEMAP_SCAN|pagemap/);
  });
});
