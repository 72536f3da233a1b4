import { spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { PAGE_BYTES } from "../../src/base/units.ts";
import { FakeLibxl, type LibxlMessage } from "./libxl.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const SOURCES = ["fake_xen.cc", "fake_xen_pv.cc"].map((name) =>
  path.join(ROOT, "test/support", name),
);

/** What `flags` of an HVM domain holds: hvm; and the same when it has suspended itself. */
export const HVM = String(1 << 1);
export const HVM_SUSPENDED = String((1 << 1) | (1 << 2) | (2 << 16));

/** Page types, as the fake keeps them. */
export const RAM = 0;
export const BROKEN = 0xd;
export const HOLE = 0xf;

/** Folders by minor version. */
const made = new Map<number, string>();

/** Compiles Xen's libraries of version 4.`minor`, once; returns their folder. */
export function fakeLibraries(minor: number): string {
  const folder = made.get(minor) ?? makeLibraries(minor);
  made.set(minor, folder);
  return folder;
}

function makeLibraries(minor: number): string {
  const folder = path.join(ROOT, "build", "test", `fake-xen-${minor}`);
  const sonames = [`libxenctrl.so.4.${minor}`, `libxenguest.so.4.${minor}`];
  mkdirSync(folder, { recursive: true });
  const library = path.join(folder, `made-${process.pid}`);
  const flags = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", library];
  const args = [...flags, `-DFAKE_XEN_MINOR=${minor}`, ...SOURCES];
  const { status, stderr } = spawnSync("c++", args, { encoding: "utf8" });
  if (status !== 0) {
    throw new Error(stderr);
  }
  renameSync(library, path.join(folder, "fake"));
  for (const soname of [...sonames, "libxenforeignmemory.so.1", "libxenstore.so.4"]) {
    if (!existsSync(path.join(folder, soname))) {
      symlinkSync("fake", path.join(folder, soname));
    }
  }
  return folder;
}

/** A folder that stands for a hypervisor and its domains. */
export class FakeXen {
  readonly folder: string;
  readonly #libraries: string;

  constructor(folder: string, libraries: string) {
    this.folder = folder;
    this.#libraries = libraries;
  }

  /** An HVM guest: a page for each of `types`, with content where there is memory. */
  makeGuest(domid: number, types: Uint8Array, contentOf: (pfn: number) => Uint8Array): void {
    const ram = new Uint8Array(types.length * PAGE_BYTES);
    types.forEach((type, pfn) => {
      if (type === RAM) {
        ram.set(contentOf(pfn), pfn * PAGE_BYTES);
      }
    });
    const params = new BigUint64Array(39);
    params[1] = 3n;
    params[17] = 4n;
    params[32] = 0xfeff0n;
    this.write(domid, "flags", HVM);
    this.write(domid, "types", types);
    this.write(domid, "ram", ram);
    this.write(domid, "params", new Uint8Array(params.buffer));
    this.write(
      domid,
      "tsc",
      Uint8Array.from({ length: 20 }, (_, index) => index + 1),
    );
    this.write(
      domid,
      "context",
      Uint8Array.from({ length: 99 }, (_, index) => 3 * index),
    );
    this.write(domid, "cpuid", new Uint8Array(48).fill(7));
    this.write(domid, "msr", new Uint8Array(16).fill(9));
  }

  /** A domain to restore into. */
  makeEmpty(domid: number): void {
    this.write(domid, "flags", HVM);
    this.write(domid, "types", "");
    this.write(domid, "ram", "");
  }

  read(domid: number, what: string): Buffer {
    return readFileSync(path.join(this.folder, `${domid}.${what}`));
  }

  write(domid: number, what: string, content: Uint8Array | string): void {
    writeFileSync(path.join(this.folder, `${domid}.${what}`), content);
  }

  page(domid: number, pfn: number): Buffer {
    return this.read(domid, "ram").subarray(pfn * PAGE_BYTES, (pfn + 1) * PAGE_BYTES);
  }

  /** What changed something, in order. */
  calls(): readonly string[] {
    const file = path.join(this.folder, "calls");
    return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
  }

  /** Starts the real helper on the image of that name; its stream is open for it. */
  start(
    args: readonly string[],
    image: string,
    environment: Readonly<Record<string, string>> = {},
  ): FakeLibxl {
    const isSave = args[0] === "--save-domain";
    const stream = openSync(path.join(this.folder, image), isSave ? "w" : "r");
    try {
      const fake = { FAKE_XEN: this.folder, LD_LIBRARY_PATH: this.#libraries };
      return new FakeLibxl({ args, stream, environment: { ...fake, ...environment } });
    } finally {
      closeSync(stream);
    }
  }

  /** Saves a domain; it suspends itself when asked. */
  async save(
    domid: number,
    options: {
      readonly image: string;
      readonly flags?: number;
      readonly environment?: Readonly<Record<string, string>>;
      /** What its flags are then. */
      readonly suspended?: string;
      /** Called when the guest has suspended itself. */
      readonly onSuspend?: () => void;
    },
  ): Promise<readonly LibxlMessage[]> {
    const { image, flags = 0, environment, onSuspend, suspended = HVM_SUSPENDED } = options;
    const args = ["--save-domain", "3", "-1", String(domid), String(flags), "136", "0"];
    const libxl = this.start(args, image, environment);
    const messages: LibxlMessage[] = [];
    for (let message = await libxl.next(); message; message = await libxl.next()) {
      messages.push(message);
      if (message.name === "suspend") {
        this.write(domid, "flags", suspended);
        onSuspend?.();
        libxl.answer(1);
      } else if (["switch_qemu_logdirty", "complete"].includes(message.name)) {
        libxl.answer(0);
      }
    }
    return messages;
  }

  /** Restores an image into a domain. */
  async restore(domid: number, image: string): Promise<readonly LibxlMessage[]> {
    const args = ["--restore-domain", "3", "-1", String(domid), "1", "0", "2", "0", "768", "0"];
    return await this.start(args, image).finish({ static_data_done: 0 });
  }
}
