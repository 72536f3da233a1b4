import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { xenCapabilities } from "../../src/xen/capabilities.ts";

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), "xenferry-root-"));
});

afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, content: string): string {
  const full = path.join(root, file);
  mkdirSync(path.dirname(full), { recursive: true });
  writeFileSync(full, content);
  return full;
}

const missing = (soname: string) => ({
  reason: `${soname}: cannot open shared object file: No such file or directory`,
});

const named = (capabilities: ReturnType<typeof xenCapabilities>) =>
  Object.fromEntries(capabilities.map(({ name, ...rest }) => [name, rest]));

describe("what there is of Xen", () => {
  test("is all there in a control domain", () => {
    write("sys/hypervisor/type", "xen\n");
    write("sys/hypervisor/version/major", "4\n");
    write("sys/hypervisor/version/minor", "17\n");
    write("sys/hypervisor/version/extra", ".7\n");
    write("proc/xen/capabilities", "control_d\n");
    write("dev/xen/privcmd", "");
    write("dev/xen/xenbus", "");
    const library = write("lib/libxen.so.4.17.0", "");
    const locateLibrary = (soname: string) =>
      /\.so\.(1|4\.17)$/.test(soname) ? { path: library } : missing(soname);
    const capabilities = xenCapabilities({ root, locateLibrary });
    expect(capabilities.filter(({ isAvailable }) => !isAvailable)).toEqual([]);
    expect(named(capabilities)).toMatchObject({
      hypervisor: { detail: "Xen 4.17.7" },
      "control domain": { detail: "this is the control domain" },
      "/dev/xen/privcmd": { detail: "read and written" },
      libxenctrl: { detail: expect.stringContaining("libxen.so.4.17.0") },
      libxencall: { isAvailable: true },
    });
  });

  test("is nothing elsewhere, and it says so of each thing", () => {
    const capabilities = xenCapabilities({ root, locateLibrary: missing });
    expect(capabilities.filter(({ isAvailable }) => isAvailable)).toEqual([]);
    expect(named(capabilities)).toMatchObject({
      hypervisor: { detail: "this system does not run on Xen" },
      "/dev/xen/privcmd": { detail: "does not exist" },
      libxenctrl: { detail: "there is no libxenctrl that is known here" },
    });
  });

  test("may be a guest, or a library that is broken", () => {
    write("proc/xen/capabilities", "");
    const locateLibrary = (soname: string) =>
      soname === "libxenctrl.so.4.19" ? { reason: "file too short" } : missing(soname);
    expect(named(xenCapabilities({ root, locateLibrary }))).toMatchObject({
      "control domain": { isAvailable: false, detail: "this is no control domain" },
      libxenctrl: { isAvailable: false, detail: "file too short" },
    });
  });

  test("can be looked for on any machine", () => {
    expect(xenCapabilities().length).toBe(9);
  });
});
