import { embeddedBackend } from "../embedded.ts";
import type { Registry } from "../registry.ts";
import type { GuestAvailability, GuestBackend } from "../types.ts";
import { pfnCountOf } from "../workload.ts";
import { HOST_PROGRAM, hasHostProgram, launchHost } from "./launch.ts";
import { GUEST_MODULE, hasGuestModule } from "./module.ts";
import { openSyntheticSink } from "./sink.ts";
import { openSyntheticSource } from "./source.ts";

/** What can be chosen about synthetic guests. */
export interface SyntheticBackendOptions {
  readonly registry: Registry;
}

/** Guests that are WebAssembly in a Node process of their own; they need no native add-on. */
export function syntheticBackend({ registry }: SyntheticBackendOptions): GuestBackend {
  return embeddedBackend(registry, {
    kind: "synthetic",
    probe: availability,
    launch: launchHost,
    openSource: async (handle, config) => openSyntheticSource(handle, pfnCountOf(config)),
    openSink: async (handle, config) => openSyntheticSink(handle, pfnCountOf(config)),
  });
}

function availability(): GuestAvailability {
  if (process.platform === "win32") {
    return { available: false, reason: "its control socket needs a system with unix sockets" };
  }
  if (!hasGuestModule()) {
    return { available: false, reason: `the machine code is not built: ${GUEST_MODULE}` };
  }
  return hasHostProgram()
    ? { available: true, detail: "WebAssembly, a thread a vCPU, a software dirty bitmap" }
    : { available: false, reason: `the host program is not built: ${HOST_PROGRAM}` };
}
