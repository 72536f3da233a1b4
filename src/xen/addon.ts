import { type AddonProbe, probeAddon } from "../base/addon.ts";
import { MigrationError } from "../base/errors.ts";
import {
  type PumpCancel,
  type PumpResult,
  pumpError,
  type ReceivedPages,
  type ReceiveJob,
} from "../transport/pump-addon.ts";
import type { PumpCounters } from "../transport/pump-counters.ts";
import type { XenPvMemory, XenPvSource } from "./pv-addon.ts";

/** Version of the add-on's interface; the add-on carries the same number. */
const ABI_VERSION = 2;

/** Xen on this machine, through its own libraries. */
export interface XenHost {
  /** Major version above 16 bits of minor version, of the hypervisor. */
  xenVersion(): PumpResult<number>;
  /** Of Xen 4: the version of the libraries. */
  libraryMinor(): number;
}

/** What the hypervisor says of a domain. */
export interface DomainInfo {
  readonly isHvm: boolean;
  readonly isShutdown: boolean;
  /** @source public/sched.h, SHUTDOWN_* */
  readonly shutdownReason: number;
  readonly totalPages: number;
  readonly maxPages: number;
  /** Online. */
  readonly vcpus: number;
}

/** Whether writes are forgotten as they are read; `final` of a guest that stands still. */
export type DirtyMode = "peek" | "clean" | "final";

/** The bodies of X86_CPUID_POLICY and X86_MSR_POLICY; empty where there is none. */
export interface CpuPolicies {
  readonly cpuid: Uint8Array;
  readonly msr: Uint8Array;
}

/** X86_TSC_INFO without its reserved field. */
export interface DomainTsc {
  readonly mode: number;
  readonly khz: number;
  readonly nsec: bigint;
  readonly incarnation: number;
}

/** Where xenstore and console meet the guest, and who serves them. */
export interface GrantSeeds {
  readonly isHvm: boolean;
  readonly consoleGfn: bigint;
  readonly storeGfn: bigint;
  readonly consoleDomid: number;
  readonly storeDomid: number;
}

/** A domain of this machine. What fails does so with GUEST_HOST_CALL unless said. */
export interface XenDomain {
  /** Fails with GUEST_LOST where there is none of the number. */
  info(): PumpResult<DomainInfo>;
  /** One above the highest frame number in use. */
  frameCount(): PumpResult<number>;
  /** Assigned PCI devices, as far as xenstore tells. */
  pciDeviceCount(): number;
  enableLogDirty(): Promise<PumpResult<undefined>>;
  disableLogDirty(): Promise<PumpResult<undefined>>;
  /** Adds the dirty pages to `out`, whole 64-bit words; resolves with how many there are. */
  readDirty(job: {
    readonly mode: DirtyMode;
    readonly frameCount: number;
    readonly out: Uint8Array;
  }): Promise<PumpResult<number>>;
  cpuPolicies(): PumpResult<CpuPolicies>;
  /** Fails with GUEST_STATE where Xen refuses them. */
  setCpuPolicies(cpuid: Uint8Array, msr: Uint8Array): PumpResult<undefined>;
  tscInfo(): PumpResult<DomainTsc>;
  setTscInfo(tsc: DomainTsc): PumpResult<undefined>;
  hvmContext(): PumpResult<Uint8Array>;
  setHvmContext(context: Uint8Array): PumpResult<undefined>;
  hvmParam(index: number): PumpResult<bigint>;
  /** Fails with GUEST_STATE where Xen refuses it. */
  setHvmParam(index: number, value: bigint): PumpResult<undefined>;
  clearPage(gfn: bigint): PumpResult<undefined>;
  /** Makes a page the console ring of a guest that nobody serves yet. */
  clearConsole(gfn: bigint): PumpResult<undefined>;
  seedGrants(seeds: GrantSeeds): PumpResult<undefined>;
}

/** A domain's pages on their way out, off the JavaScript thread. */
export interface DomainSender {
  /** Resolves with the octets sent. One at a time. */
  send(job: {
    /** Bits are cleared as their pages are taken. */
    readonly dirty: Uint8Array;
    /** Receives the bits of frames that cannot be sent now; without it they are GUEST_FRAMES. */
    readonly deferred: Uint8Array | undefined;
    readonly elidesZeroPages: boolean;
    /** Names frames that hold nothing, as Xen's own sender does. */
    readonly namesHoles: boolean;
    /** Ends a record where 4 MiB of frames end. */
    readonly keepsSuperpages: boolean;
    readonly counters: PumpCounters;
    readonly fd: number;
    readonly cancel: PumpCancel;
  }): Promise<PumpResult<number>>;
}

/** Memory of a domain under construction. */
export interface DomainMemory {
  /** Gives the domain memory as the records name it, and stores or compares their pages. */
  receive(
    job: Omit<ReceiveJob, "ram"> & { readonly verifies: boolean },
  ): Promise<PumpResult<ReceivedPages>>;
  /** Pages that were not what the stream said, of those compared. */
  mismatches(): number;
}

/** The xen add-on. Its objects keep those alive that they were made from. */
export interface XenAddon {
  readonly abiVersion: number;
  readonly Cancel: new () => PumpCancel;
  /** @throws Error the message is the reason, for a person. */
  readonly Host: new (
    folder: string,
  ) => XenHost;
  readonly Domain: new (host: XenHost, domid: number) => XenDomain;
  readonly Sender: new (options: {
    readonly domain: XenDomain;
    /** Of a PV domain, loaded. */
    readonly pv: XenPvSource | undefined;
    /** 0 is no limit. */
    readonly bytesPerSecondMax: number;
  }) => DomainSender;
  /** Of an HVM or PVH domain. */
  readonly Memory: new (
    domain: XenDomain,
  ) => DomainMemory;
  readonly PvSource: new (domain: XenDomain) => XenPvSource;
  readonly PvMemory: new (domain: XenDomain) => XenPvMemory;
}

/** Loads the xen add-on, or says why there is none. */
export function probeXenAddon(): AddonProbe<XenAddon> {
  return probeAddon<XenAddon>("xen", ABI_VERSION);
}

/** The add-on with Xen's libraries open. */
export interface OpenXen {
  readonly addon: XenAddon;
  readonly host: XenHost;
}

/**
 * Opens Xen's libraries.
 *
 * @param folder where they lie; the dynamic linker's places where it is absent.
 * @throws MigrationError GUEST_UNAVAILABLE, with the reason.
 */
export function openXen(folder = ""): OpenXen {
  const { addon, reason } = probeXenAddon();
  if (addon === undefined) {
    throw new MigrationError("GUEST_UNAVAILABLE", { kind: "xen", reason });
  }
  try {
    return { addon, host: new addon.Host(folder) };
  } catch (error) {
    const told = error instanceof Error ? error.message : String(error);
    throw new MigrationError("GUEST_UNAVAILABLE", { kind: "xen", reason: told });
  }
}

/** What a call gave. @throws MigrationError what it failed with; MIGRATION_INTERRUPTED */
export function resultOf<Value>({ value, failure }: PumpResult<Value>): Value {
  if (failure !== undefined) {
    throw pumpError(failure) ?? new MigrationError("MIGRATION_INTERRUPTED");
  }
  return value as Value;
}
