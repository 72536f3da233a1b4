import { embeddedBackend } from "../embedded.ts";
import { probeHost, requireHost } from "../host.ts";
import type { Registry } from "../registry.ts";
import type { GuestAvailability, GuestBackend, LogDirty } from "../types.ts";
import { pfnCountOf } from "../workload.ts";
import { GUEST_PROGRAM, hasGuestProgram, launchGuest } from "./launch.ts";
import {
  mappedMemory,
  memoryPlace,
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
  return embeddedBackend(registry, {
    kind: "process",
    probe: availability,
    launch: async (config, options) => {
      requireHost();
      return launchGuest(config, { ...options, logDirty: logDirty ?? "auto" });
    },
    openSource: async (handle, config) => {
      const host = requireHost();
      const place = await memoryPlace(handle, pfnCountOf(config));
      const opened = openMemory(place, "r");
      const memory = mappedMemory(host, opened.ramFd, place.pfnCount);
      const isUserfault = opened.bitmapFd === undefined;
      return {
        memory,
        logDirty: isUserfault
          ? userfaultLogDirty(host, opened, place)
          : softwareLogDirty(host, opened.bitmapFd, place),
        close: () => {
          memory.detach();
          opened.close();
        },
      };
    },
    openSink: async (handle, config) => {
      const place = await memoryPlace(handle, pfnCountOf(config));
      const opened = openMemory(place, "r+");
      return {
        memory: writtenMemory(requireHost(), opened.ramFd, place.pfnCount),
        close: () => opened.close(),
      };
    },
  });
}

function availability(): GuestAvailability {
  const { addon, reason } = probeHost();
  if (addon === undefined) {
    return { available: false, reason };
  }
  return hasGuestProgram()
    ? { available: true, detail: "Linux, with the host add-on and the guest program" }
    : { available: false, reason: `the guest program is not built: ${GUEST_PROGRAM}` };
}
