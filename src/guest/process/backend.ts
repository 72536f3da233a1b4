import { configFromJson, configToJson } from "../config.ts";
import { type HostAddon, probeHost, requireHost } from "../host.ts";
import { decodeHvmState, encodeHvmState } from "../hvm-state.ts";
import type { GuestEntry, Registry } from "../registry.ts";
import type {
  GuestAvailability,
  GuestBackend,
  GuestConfig,
  GuestSink,
  GuestSource,
  LogDirty,
} from "../types.ts";
import { pfnCountOf } from "../workload.ts";
import { GuestHandle } from "./handle.ts";
import { GUEST_PROGRAM, hasGuestProgram, type LaunchOptions, launchGuest } from "./launch.ts";
import {
  mappedMemory,
  openMemory,
  softwareLogDirty,
  userfaultLogDirty,
  writtenMemory,
} from "./memory.ts";

/** What can be chosen about process guests. */
export interface ProcessBackendOptions {
  readonly registry: Registry;
  /** How writes of guests made here are seen; "auto" takes userfaultfd where the kernel can. */
  readonly logDirty?: LogDirty["method"] | "auto";
}

/** Guests that are Linux processes: RAM in a memfd, mapped from outside. */
export function processBackend({ registry, logDirty }: ProcessBackendOptions): GuestBackend {
  const launched = async (config: GuestConfig, startAs: LaunchOptions["startAs"]) => {
    requireHost();
    const entry = await registry.reserve(config.name, "process", configToJson(config));
    try {
      const options = { folder: entry.folder, startAs, logDirty: logDirty ?? "auto" } as const;
      return await registry.adopt(entry, await launchGuest(config, options));
    } catch (error) {
      await registry.remove(entry);
      throw error;
    }
  };
  return {
    kind: "process",
    probe: async () => availability(),
    create: async (config, mode) =>
      openSource(requireHost(), registry, await launched(config, mode)),
    attach: async (name) => openSource(requireHost(), registry, await registry.find(name)),
    prepare: async (config) =>
      openSink(requireHost(), registry, await launched(config, "incoming")),
  };
}

function availability(): GuestAvailability {
  const { host, reason } = probeHost();
  if (host === undefined) {
    return { available: false, reason };
  }
  return hasGuestProgram()
    ? { available: true, detail: "Linux, with the host add-on and the guest program" }
    : { available: false, reason: `the guest program is not built: ${GUEST_PROGRAM}` };
}

function configOf(entry: GuestEntry): GuestConfig {
  return { ...configFromJson(entry.configText), name: entry.name };
}

async function openSource(
  host: HostAddon,
  registry: Registry,
  entry: GuestEntry,
): Promise<GuestSource> {
  const config = configOf(entry);
  const handle = await GuestHandle.open(registry, entry);
  const place = await handle.place(pfnCountOf(config));
  const opened = openMemory(place, "r");
  const memory = mappedMemory(host, opened.ramFd, place.pfnCount);
  const logDirty =
    opened.bitmapFd === undefined
      ? userfaultLogDirty(host, opened, place)
      : softwareLogDirty(host, opened.bitmapFd, place);
  return {
    config,
    memory,
    logDirty,
    suspend: () => handle.tell("suspend"),
    pause: () => handle.tell("pause"),
    resume: () => handle.start("running"),
    state: async () => encodeHvmState(await handle.vcpuStates()),
    status: () => handle.status(),
    check: () => handle.check(),
    rename: (name) => handle.rename(name),
    destroy: () => handle.destroy(),
    cleanup: async () => {
      memory.detach();
      opened.close();
      handle.close();
    },
  };
}

async function openSink(
  host: HostAddon,
  registry: Registry,
  entry: GuestEntry,
): Promise<GuestSink> {
  const config = configOf(entry);
  const handle = await GuestHandle.open(registry, entry);
  const place = await handle.place(pfnCountOf(config));
  const opened = openMemory(place, "r+");
  return {
    config,
    memory: writtenMemory(host, opened.ramFd, place.pfnCount),
    applyState: async (records) => {
      await handle.setVcpuStates(decodeHvmState(records, config.vcpus));
    },
    start: (mode) => handle.start(mode),
    status: () => handle.status(),
    check: () => handle.check(),
    rename: (name) => handle.rename(name),
    destroy: () => handle.destroy(),
    cleanup: async () => {
      opened.close();
      handle.close();
    },
  };
}
