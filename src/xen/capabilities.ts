import { accessSync, constants, existsSync, readFileSync, realpathSync } from "node:fs";
import path from "node:path";
import { type LibraryPlace, probeHost } from "../guest/host.ts";

/** Something that saving and restoring Xen's guests needs, and whether it is here. */
export interface XenCapability {
  readonly name: string;
  readonly isAvailable: boolean;
  /** Which one it is (a version, a path), or why it cannot be used. */
  readonly detail: string;
}

/** Where to look; the machine itself, unless tests say otherwise. */
export interface XenSurroundings {
  /** Folder that stands for `/`. */
  readonly root: string;
  readonly locateLibrary: (soname: string) => LibraryPlace;
}

/** Releases of Xen 4 whose libraries are known, the newest first. */
const RELEASES = ["4.22", "4.21", "4.20", "4.19", "4.18", "4.17", "4.16", "4.15", "4.14"];

/** Suffixes a library has been known with: the release, where its interface changes with each. */
const LIBRARIES: readonly { readonly name: string; readonly versions: readonly string[] }[] = [
  { name: "libxenctrl", versions: RELEASES },
  { name: "libxenguest", versions: RELEASES },
  { name: "libxenforeignmemory", versions: ["1"] },
  { name: "libxendevicemodel", versions: ["1"] },
  { name: "libxencall", versions: ["1"] },
];

/** What calls on the hypervisor, and mappings of its guests' memory, go through. */
const DEVICES = ["dev/xen/privcmd", "dev/xen/xenbus"];

/** Finds out what of Xen there is on this machine; changes nothing. */
export function xenCapabilities(surroundings = machine()): readonly XenCapability[] {
  return [
    hypervisor(surroundings),
    controlDomain(surroundings),
    ...DEVICES.map((device) => deviceOf(surroundings, device)),
    ...LIBRARIES.map((library) => libraryOf(surroundings, library)),
  ];
}

function machine(): XenSurroundings {
  const { addon, reason } = probeHost();
  return {
    root: "/",
    locateLibrary: addon === undefined ? () => ({ reason }) : addon.locateLibrary,
  };
}

/** @source Linux ABI/stable/sysfs-hypervisor-xen */
function hypervisor({ root }: XenSurroundings): XenCapability {
  const read = (file: string) => readLine(path.join(root, "sys/hypervisor", file));
  const isAvailable = read("type") === "xen";
  const version = `${read("version/major")}.${read("version/minor")}${read("version/extra") ?? ""}`;
  const detail = isAvailable ? `Xen ${version}` : "this system does not run on Xen";
  return { name: "hypervisor", isAvailable, detail };
}

/** @source Linux drivers/xen/xenfs/super.c, `capabilities` */
function controlDomain({ root }: XenSurroundings): XenCapability {
  const told = readLine(path.join(root, "proc/xen/capabilities"));
  const isAvailable = told?.split(/[\s,]+/).includes("control_d") === true;
  const detail = isAvailable
    ? "this is the control domain"
    : told === undefined
      ? "there is no /proc/xen/capabilities: no control domain, or xenfs is not mounted"
      : "this is no control domain";
  return { name: "control domain", isAvailable, detail };
}

function deviceOf({ root }: XenSurroundings, device: string): XenCapability {
  const file = path.join(root, device);
  const isAvailable = isWritable(file);
  const problem = existsSync(file) ? "may not be read and written by this user" : "does not exist";
  return { name: `/${device}`, isAvailable, detail: isAvailable ? "read and written" : problem };
}

function libraryOf(
  { locateLibrary }: XenSurroundings,
  { name, versions }: (typeof LIBRARIES)[number],
): XenCapability {
  const places = versions.map((version) => locateLibrary(`${name}.so.${version}`));
  const found = places.find((place) => place.path !== undefined);
  const detail = found?.path === undefined ? whyNot(name, places) : realPath(found.path);
  return { name, isAvailable: found !== undefined, detail };
}

/** A library that is there and broken says more than those that are not there. */
function whyNot(name: string, places: readonly LibraryPlace[]): string {
  const reasons = places.map(({ reason = "unknown" }) => reason);
  const isMissing = (reason: string) => reason.includes("No such file");
  return reasons.find((reason) => !isMissing(reason)) ?? `there is no ${name} that is known here`;
}

/** With the full version in its name. */
function realPath(file: string): string {
  return path.isAbsolute(file) ? realpathSync(file) : file;
}

function isWritable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function readLine(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}
