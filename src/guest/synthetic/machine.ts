import { Worker } from "node:worker_threads";
import type { Clock } from "../../base/clock.ts";
import { MigrationError } from "../../base/errors.ts";
import { PAGE_BYTES } from "../../base/units.ts";
import type { GuestCheck, GuestConfig, GuestRunState } from "../types.ts";
import { initialVcpuState, pfnCountOf, type VcpuState } from "../workload.ts";
import {
  BAD_PFNS_MAX,
  type GuestLayout,
  guestLayout,
  resultOffset,
  STATE_WORDS,
  vcpuOffset,
  WASM_BYTES_MAX,
  WASM_PAGE_BYTES,
} from "./layout.ts";
import { compileGuestModule, type GuestExports } from "./module.ts";
import { seatVcpu, type VcpuTask } from "./vcpu.ts";

/** What a machine is made of. */
export interface MachineOptions {
  readonly config: GuestConfig;
  readonly clock: Clock;
  /** Called when a vCPU's thread has failed; the machine is of no use then. */
  readonly onFailure: (error: Error) => void;
}

/**
 * A synthetic guest: shared memory and a thread a vCPU.
 *
 * Its calls are made one after the other; those that return no promise also while vCPUs run.
 */
export class Machine {
  readonly config: GuestConfig;
  readonly layout: GuestLayout;
  readonly #clock: Clock;
  readonly #memory: WebAssembly.Memory;
  readonly #host: GuestExports;
  readonly #vcpus: readonly VcpuThread[];
  #runState: GuestRunState = "incoming";
  #running: Promise<unknown> = Promise.resolve();

  private constructor(options: MachineOptions, module: WebAssembly.Module) {
    const { config } = options;
    this.config = config;
    this.layout = checkedLayout(config);
    this.#clock = options.clock;
    const wasmPages = this.layout.totalBytes / WASM_PAGE_BYTES;
    this.#memory = allocate(wasmPages);
    const seat = { module, memory: this.#memory, layout: this.layout, config };
    this.#host = seatVcpu({ ...seat, vcpu: 0 });
    this.#vcpus = vcpuNumbers(config).map((vcpu) => {
      const url = new URL("./vcpu-worker.js", import.meta.url);
      return new VcpuThread(new Worker(url, { workerData: { ...seat, vcpu } }), options.onFailure);
    });
    this.setStates(vcpuNumbers(config).map((vcpu) => initialVcpuState(config.workload.seed, vcpu)));
  }

  /**
   * Makes a machine whose RAM is all zero and whose vCPUs stand still.
   *
   * @throws MigrationError GUEST_CONFIG too much memory, GUEST_UNAVAILABLE the system has not so
   * much
   */
  static async create(options: MachineOptions): Promise<Machine> {
    const machine = new Machine(options, await compileGuestModule());
    await Promise.all(machine.#vcpus.map((vcpu) => vcpu.ready));
    return machine;
  }

  get runState(): GuestRunState {
    return this.#runState;
  }

  /** Gives each page the content it has before its first store. */
  async fill(): Promise<void> {
    if (this.config.workload.fill !== "zero") {
      await this.#inParallel("fill");
    }
  }

  run(): void {
    if (this.#runState !== "running") {
      Atomics.store(this.#flag(this.layout.stopOffset), 0, 0);
      this.#running = Promise.all(this.#vcpus.map((vcpu) => vcpu.ask({ verb: "run" })));
      this.#runState = "running";
    }
  }

  /** Resolves when every vCPU has stopped between two operations. */
  async stop(into: GuestRunState): Promise<void> {
    const stop = this.#flag(this.layout.stopOffset);
    Atomics.store(stop, 0, 1);
    Atomics.notify(stop, 0);
    await this.#running;
    this.#runState = into;
  }

  /** Takes so many percent of their time from the vCPUs, 0 to 99. */
  throttle(percent: number): void {
    Atomics.store(this.#flag(this.layout.throttleOffset), 0, percent);
    // Whoever rests or waits looks at it now.
    Atomics.notify(this.#flag(this.layout.stopOffset), 0);
  }

  /** All of a vCPU's words; exact while the guest stands still, else only the counters are. */
  states(): readonly VcpuState[] {
    return this.#vcpus.map((_, vcpu) => {
      const words = this.#stateWords(vcpu);
      const named = STATE_WORDS.map((name, index) => [name, Atomics.load(words, index)] as const);
      return Object.fromEntries(named) as Record<keyof VcpuState, bigint>;
    });
  }

  setStates(states: readonly VcpuState[]): void {
    for (const [vcpu, state] of states.entries()) {
      this.#stateWords(vcpu).set(STATE_WORDS.map((name) => state[name]));
    }
  }

  /** Has the vCPUs check all pages while the guest stands still. */
  async check(): Promise<GuestCheck> {
    const startMs = this.#clock.nowMs();
    const before = this.#runState;
    await this.stop(before);
    await this.#inParallel("check");
    const results = this.#vcpus.map((_, vcpu) => this.#checkResult(vcpu));
    const states = this.states();
    if (before === "running") {
      this.#runState = "suspended";
      this.run();
    }
    const found = sum(results.map(({ versions }) => versions));
    return {
      pagesChecked: this.layout.pfnCount,
      pagesBad: results.reduce((total, { pagesBad }) => total + pagesBad, 0),
      badPfns: results.flatMap(({ badPfns }) => badPfns).slice(0, BAD_PFNS_MAX),
      versionsMatch: found === sum(states.map(({ versions }) => versions)),
      vcpus: states.map(({ stores, reads, faults }) => ({ stores, reads, faults })),
      pauseMs: this.#clock.nowMs() - startMs,
    };
  }

  /** From here on each completed store is marked. */
  enableLogDirty(): void {
    this.#words(this.layout.dirtyOffset).fill(0);
    Atomics.store(this.#flag(this.layout.loggingOffset), 0, 1);
  }

  disableLogDirty(): void {
    Atomics.store(this.#flag(this.layout.loggingOffset), 0, 0);
  }

  /** Moves the dirty bitmap into `outBitmap`, word by word; returns its ones. */
  cleanDirty(outBitmap: Uint8Array): number {
    const words = this.#words(this.layout.dirtyOffset);
    const out = new Uint32Array(outBitmap.buffer, outBitmap.byteOffset, words.length);
    let dirtyPages = 0;
    for (let index = 0; index < words.length; index += 1) {
      const isClean = Atomics.load(words, index) === 0;
      const word = isClean ? 0 : Atomics.exchange(words, index, 0);
      out[index] = word;
      dirtyPages += onesOf(word);
    }
    return dirtyPages;
  }

  peekDirty(): number {
    return this.#words(this.layout.dirtyOffset).reduce((total, word) => total + onesOf(word), 0);
  }

  /** Sets in `outBitmap` the bit of each page that is not all zero; returns its ones. */
  populated(outBitmap: Uint8Array): number {
    const { scratchOffset, pfnCount } = this.layout;
    const scratch = new Uint8Array(this.#memory.buffer, scratchOffset, this.layout.bitmapBytes);
    scratch.fill(0);
    const found = this.#host.findPopulated(pfnCount, scratchOffset);
    outBitmap.set(scratch);
    return found;
  }

  /** Copies pages to `outPages`. @throws MigrationError GUEST_PFN_RANGE before any is copied */
  readPages(pfns: Uint32Array, outPages: Uint8Array): void {
    const ram = this.#ram(pfns);
    for (const [index, pfn] of pfns.entries()) {
      const offset = pfn * PAGE_BYTES;
      outPages.set(ram.subarray(offset, offset + PAGE_BYTES), index * PAGE_BYTES);
    }
  }

  /** Copies `pages` to RAM. @throws MigrationError GUEST_PFN_RANGE before any is copied */
  writePages(pfns: Uint32Array, pages: Uint8Array): void {
    const ram = this.#ram(pfns);
    for (const [index, pfn] of pfns.entries()) {
      const offset = index * PAGE_BYTES;
      ram.set(pages.subarray(offset, offset + PAGE_BYTES), pfn * PAGE_BYTES);
    }
  }

  /** RAM, after a look at the pfns that are to be touched in it. */
  #ram(pfns: Uint32Array): Uint8Array {
    const { pfnCount, ramOffset } = this.layout;
    const outside = pfns.find((pfn) => pfn >= pfnCount);
    if (outside !== undefined) {
      throw new MigrationError("GUEST_PFN_RANGE", { pfn: outside, pfnCount });
    }
    return new Uint8Array(this.#memory.buffer, ramOffset, pfnCount * PAGE_BYTES);
  }

  /** Splits all pages evenly over the vCPUs' threads. */
  async #inParallel(verb: "fill" | "check"): Promise<void> {
    const { pfnCount } = this.layout;
    const threadCount = this.#vcpus.length;
    const startOf = (vcpu: number) => Math.floor((pfnCount * vcpu) / threadCount);
    const tasks = this.#vcpus.map((thread, vcpu) => {
      const firstPfn = startOf(vcpu);
      return thread.ask({ verb, firstPfn, pageCount: startOf(vcpu + 1) - firstPfn });
    });
    await Promise.all(tasks);
  }

  #checkResult(vcpu: number) {
    const offset = resultOffset(vcpu);
    const [badCount, versions] = new BigUint64Array(this.#memory.buffer, offset, 2);
    const pagesBad = Number(badCount!);
    const notedCount = Math.min(pagesBad, BAD_PFNS_MAX);
    const badPfns = [...new Uint32Array(this.#memory.buffer, offset + 16, notedCount)];
    return { pagesBad, versions: versions!, badPfns };
  }

  #stateWords(vcpu: number): BigUint64Array {
    return new BigUint64Array(this.#memory.buffer, vcpuOffset(vcpu), STATE_WORDS.length);
  }

  #flag(offset: number): Int32Array {
    return new Int32Array(this.#memory.buffer, offset, 1);
  }

  #words(offset: number): Uint32Array {
    return new Uint32Array(this.#memory.buffer, offset, this.layout.bitmapBytes / 4);
  }
}

/** The thread of a vCPU. It answers tasks in their order. */
class VcpuThread {
  /** Resolves when the thread takes tasks. */
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #asked: (() => void)[] = [];

  constructor(worker: Worker, onFailure: (error: Error) => void) {
    this.#worker = worker;
    this.ready = this.#answer();
    worker.on("message", () => this.#asked.shift()?.());
    worker.on("error", onFailure);
  }

  /** Resolves when the task is done. */
  ask(task: VcpuTask): Promise<void> {
    this.#worker.postMessage(task);
    return this.#answer();
  }

  /** Resolves with the next message that no one else waits for. */
  #answer(): Promise<void> {
    return new Promise((resolve) => {
      this.#asked.push(resolve);
    });
  }
}

function checkedLayout(config: GuestConfig): GuestLayout {
  const layout = guestLayout(pfnCountOf(config), config.vcpus);
  if (layout.totalBytes > WASM_BYTES_MAX) {
    const excessBytes = layout.totalBytes - layout.pfnCount * PAGE_BYTES;
    const limitMib = Math.floor((WASM_BYTES_MAX - excessBytes) / 2 ** 20);
    const reason = `a synthetic guest has at most ${limitMib} MiB of memory`;
    throw new MigrationError("GUEST_CONFIG", { key: "memory", reason });
  }
  return layout;
}

function allocate(wasmPages: number): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages, shared: true });
  } catch (error) {
    const memoryBytes = wasmPages * WASM_PAGE_BYTES;
    throw new MigrationError("GUEST_UNAVAILABLE", { memoryBytes }, error);
  }
}

function vcpuNumbers(config: GuestConfig): readonly number[] {
  return Array.from({ length: config.vcpus }, (_, vcpu) => vcpu);
}

function sum(values: readonly bigint[]): bigint {
  return BigInt.asUintN(
    64,
    values.reduce((total, value) => total + value, 0n),
  );
}

/** Set bits of a 32-bit word. */
function onesOf(word: number): number {
  let rest = word - ((word >>> 1) & 0x55555555);
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333);
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}
