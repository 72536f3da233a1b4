import type { GuestConfig } from "../types.ts";
import { sharePages, workloadShape } from "../workload.ts";
import { type GuestLayout, vcpuOffset } from "./layout.ts";
import { FILL_CODES, type GuestExports, instantiateGuest, PATTERN_CODES } from "./module.ts";

/** What a vCPU's worker is given. */
export interface VcpuSeat {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly layout: GuestLayout;
  readonly config: GuestConfig;
  readonly vcpu: number;
}

/**
 * What a worker is asked to do. It says "ready" once, then answers each task with that same task
 * when it is done.
 *
 * `run` ends when the stop flag is set and its word notified.
 */
export type VcpuTask =
  | { readonly verb: "run" }
  | { readonly verb: "fill"; readonly firstPfn: number; readonly pageCount: number }
  | { readonly verb: "check"; readonly firstPfn: number; readonly pageCount: number };

/** An instance of the machine code for one vCPU. */
export function seatVcpu({ module, memory, layout, config, vcpu }: VcpuSeat): GuestExports {
  const guest = instantiateGuest(module, memory);
  const shape = workloadShape(config);
  guest.configure(config.workload.seed, FILL_CODES[config.workload.fill], layout.ramOffset);
  guest.configurePages(
    shape.firstPfn + vcpu,
    shape.vcpus,
    sharePages(shape, vcpu),
    PATTERN_CODES[shape.pattern],
    shape.readThreshold,
  );
  guest.configureState(
    vcpuOffset(vcpu),
    layout.stopOffset,
    layout.loggingOffset,
    layout.dirtyOffset,
  );
  return guest;
}

/** Operations a second of a vCPU, so that all together make the stores asked for. */
export function operationsPerSecond(config: GuestConfig, vcpu: number): number {
  if (sharePages(workloadShape(config), vcpu) === 0) {
    return 0;
  }
  const { storesPerSecond, readShare, workingSetPages } = config.workload;
  return storesPerSecond / Math.min(config.vcpus, workingSetPages) / (1 - readShare);
}
