import type { Window } from "../base/window.ts";

/** The guest backends of this build. */
export type GuestKind = "process" | "synthetic";

/** Order in which a vCPU visits its share of the working set. */
export type WorkloadPattern = "sequential" | "uniform" | "zipf";

/**
 * Content of pages that no vCPU has stored to. A zero fill leaves memory alone; a half-zero fill
 * writes all of it, zeros and random pages in turn.
 */
export type WorkloadFill = "zero" | "random" | "text" | "half-zero";

/** What the embedded guest does with its memory. */
export interface Workload {
  /** Page stores a second, all vCPUs together; 0 is an idle guest. */
  readonly storesPerSecond: number;
  readonly pattern: WorkloadPattern;
  /** Pages that are ever read or written after the start. */
  readonly workingSetPages: number;
  /** Share of operations that read and check a page instead of storing one, 0 to 1. */
  readonly readShare: number;
  readonly fill: WorkloadFill;
  /** Decides all content and all choices. */
  readonly seed: bigint;
}

/** A guest as its configuration describes it. */
export interface GuestConfig {
  readonly name: string;
  readonly kind: GuestKind;
  readonly memoryBytes: number;
  /** Upper bound of `memoryBytes`, as in xl.cfg; equal to it unless stated. */
  readonly maxMemoryBytes: number;
  readonly vcpus: number;
  /** xl.cfg's `type`, carried in the image: what Xen would call this guest. */
  readonly type: "hvm" | "pvh";
  readonly workload: Workload;
}

/** A record body that only the guest backend understands, by its libxc record type. */
export interface StateRecord {
  readonly type: number;
  readonly body: Uint8Array;
}

/** Counters of one vCPU. They never go back and travel with the guest. */
export interface VcpuCounters {
  readonly stores: bigint;
  readonly reads: bigint;
  /** Reads that found a page other than it must be. */
  readonly faults: bigint;
}

/** A guest's own proof of its memory. */
export interface GuestCheck {
  readonly pagesChecked: number;
  /** Pages whose content is not what their number and version demand. */
  readonly pagesBad: number;
  /** First few of those, rising. */
  readonly badPfns: readonly number[];
  /** Whether the versions of all pages add up to what the vCPUs stored; finds stale pages. */
  readonly versionsMatch: boolean;
  readonly vcpus: readonly VcpuCounters[];
  /** How long the guest stood still for this. */
  readonly pauseMs: number;
}

/** Whether the guest runs. `suspended`: it agreed to stop, for a save or migration. */
export type GuestRunState = "running" | "paused" | "suspended" | "incoming";

/** What a running guest says of itself. */
export interface GuestStatus {
  readonly runState: GuestRunState;
  readonly vcpus: readonly VcpuCounters[];
}

/** RAM of a guest as the saving side sees it. */
export interface SourceMemory {
  readonly pfnCount: number;
  /** All of RAM, rising and without gaps, where it can be mapped; empty where it cannot. */
  readonly windows: readonly Window[];
  /**
   * Copies pages into `outPages` (page i is `pfns[i]`). The guest may be running: a page may be
   * torn, and is then dirty again. For memory without windows; also works with them.
   */
  gather(pfns: Uint32Array, outPages: Uint8Array): Promise<void>;
  /**
   * Sets the bit of each pfn that may hold anything but zeros.
   *
   * Called after log-dirty was enabled (or the guest suspended), so that later writes are seen.
   *
   * @param outBitmap of {@link LogDirty.cleanDirty}'s size; overwritten.
   */
  populated(outBitmap: Uint8Array): Promise<void>;
  /**
   * Says which of `pfns` cannot be sent now (1) and must wait for the final iteration, such as a
   * page table between two types; absent where every page always can. The array is valid until
   * the next call. Once the guest is suspended all pages can be sent.
   */
  unsendable?(pfns: Uint32Array): Uint8Array;
}

/** Log-dirty mode of a guest. */
export interface LogDirty {
  /** How writes are seen; shown to the user. */
  readonly method: "userfaultfd-wp" | "software";
  enable(): Promise<void>;
  /**
   * Reads and resets the dirty bitmap: sets in `outBitmap` the bit of each dirty page.
   *
   * A page whose store ended before the call is reported by it; one whose store overlaps the call
   * is reported by it or by the next.
   *
   * @param outBitmap `bitmapBytes(pfnCount)` bytes; other bits stay as they are.
   * @returns pages dirty, those included whose bit was set already.
   */
  cleanDirty(outBitmap: Uint8Array): Promise<number>;
  /** Counts dirty pages without resetting them. */
  peekDirty(): Promise<number>;
  disable(): Promise<void>;
}

/**
 * A guest to save or migrate from. Made by `attach`; any number of calls in any order unless said.
 *
 * @throws MigrationError GUEST_LOST from each member when the guest has died; GUEST_HOST_CALL.
 */
export interface GuestSource {
  readonly config: GuestConfig;
  readonly memory: SourceMemory;
  readonly logDirty: LogDirty;
  /** Runs what a suspension will run, so that no code and no data is cold then; changes nothing. */
  rehearse(): Promise<void>;
  /**
   * Takes so many percent of their time from the vCPUs, 0 to 99; what they would do then is not
   * made up for. It ends at the latest when this side lets go of the guest, or is gone. Absent
   * where a guest cannot be slowed down.
   */
  throttle?(percent: number): Promise<void>;
  /** Stops every vCPU between two stores; resolves when all have stopped. */
  suspend(): Promise<void>;
  /** Stops every vCPU at the user's request; the guest did not agree to anything. */
  pause(): Promise<void>;
  /** Runs on from where `suspend` or `pause` stopped. */
  resume(): Promise<void>;
  /** State of the suspended guest, in the order in which it goes into the stream. */
  state(): Promise<readonly StateRecord[]>;
  status(): Promise<GuestStatus>;
  check(): Promise<GuestCheck>;
  rename(name: string): Promise<void>;
  /** Ends the guest and removes its traces. */
  destroy(): Promise<void>;
  /** Lets go of the guest, which stays as it is. Called exactly once. Detaches the windows. */
  cleanup(): Promise<void>;
}

/** RAM of a guest under construction. */
export interface SinkMemory {
  readonly pfnCount: number;
  /**
   * Stores page i of `pages` at `pfns[i]`, in order of i; the memory of `pages` may be reused when
   * it resolves. Pages never scattered are zero.
   *
   * @throws MigrationError GUEST_PFN_RANGE before anything is stored.
   */
  scatter(pfns: Uint32Array, pages: Uint8Array): Promise<void>;
  /** A descriptor of RAM as a file, page n at n times 4096, where it is one. */
  readonly ramFd?: number;
}

/** A guest to restore or receive into: no vCPU runs until `start`. */
export interface GuestSink {
  readonly config: GuestConfig;
  readonly memory: SinkMemory;
  /**
   * Takes the state records.
   *
   * @throws MigrationError GUEST_STATE a record is unknown, damaged or of another shape of guest.
   */
  applyState(records: readonly StateRecord[]): Promise<void>;
  /** Lets the vCPUs run from where the state says, or leaves them `paused` there. */
  start(mode: "running" | "paused"): Promise<void>;
  status(): Promise<GuestStatus>;
  check(): Promise<GuestCheck>;
  rename(name: string): Promise<void>;
  destroy(): Promise<void>;
  /** Lets go of the guest; it goes on existing unless destroyed. Called exactly once. */
  cleanup(): Promise<void>;
}

/** Whether a backend can work here, and why not. */
export type GuestAvailability =
  | { readonly available: true; readonly detail: string }
  | { readonly available: false; readonly reason: string };

/** A kind of guest. All of them keep their guests in one registry folder. */
export interface GuestBackend {
  readonly kind: GuestKind;
  probe(): Promise<GuestAvailability>;
  /**
   * Creates a guest from scratch.
   *
   * @throws MigrationError GUEST_NAME_TAKEN, GUEST_UNAVAILABLE, GUEST_CONFIG
   */
  create(config: GuestConfig, mode: "running" | "paused"): Promise<GuestSource>;
  /** Attaches to a guest of the registry. @throws MigrationError GUEST_NOT_FOUND, GUEST_LOST */
  attach(name: string): Promise<GuestSource>;
  /** Makes an empty guest to restore into. @throws as `create` */
  prepare(config: GuestConfig): Promise<GuestSink>;
}
