import type { Trace } from "../trace.ts";
import { cloudHypervisor7799 } from "./cloud-hypervisor-7799.ts";
import { qemuAutoConverge } from "./qemu-auto-converge.ts";
import { xcpNg72 } from "./xcp-ng-72.ts";
import { xcpNg269 } from "./xcp-ng-269.ts";

/** What was published of migrations that went badly: facts, typed anew. */
export const PUBLIC_TRACES: readonly Trace[] = [
  cloudHypervisor7799,
  xcpNg72,
  xcpNg269,
  qemuAutoConverge,
];
