/** One guest that counts: made, watched on its console, moved about and destroyed. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Column, Helper } from "../matrix.ts";
import { type Commands, EmulatorError, type Ended, type RunOptions } from "./xl.ts";

const FILES = "/guest";
const POLL_MS = 100;
/** Looking at a guest that gives no sign takes emulated time: not too often. */
const LOOK_MS = 400;
const START_LIMIT_MS = 150_000;
const SIGN_OF_LIFE_LIMIT_MS = 60_000;
const SUSPEND_LIMIT_MS = 60_000;
/** Debian's kernel needs more than the small one. */
const DEBIAN_KERNEL_MEMORY_MIB = 96;
const CHECKPOINT_INTERVAL_MS = "300";
const SUSPEND_REASON = 2;
/** What xl adds to the name of a guest that arrives until it runs. */
const INCOMING = "--incoming";

/** Up to where a guest has counted, and where its console's log then ended. */
export interface Mark {
  readonly round: number;
  readonly logBytes: number;
}

interface CreateOptions {
  readonly name: string;
  readonly commands: Commands;
  readonly isLoaded: boolean;
}

export interface MigrateOptions extends Pick<RunOptions, "watcher" | "environment"> {
  readonly by: Helper;
  readonly receiveBy: Helper;
}

export class Guest {
  readonly name: string;
  readonly #commands: Commands;

  private constructor(name: string, commands: Commands) {
    this.name = name;
    this.#commands = commands;
  }

  /**
   * Creates a guest and waits until it counts.
   *
   * @throws EmulatorError where it does not: no helper has had a part in it.
   */
  static async create(column: Column, options: CreateOptions): Promise<Guest> {
    try {
      return await Guest.#create(column, options);
    } catch (error) {
      throw new EmulatorError(error instanceof Error ? error.message : String(error));
    }
  }

  static async #create(column: Column, { name, commands, isLoaded }: CreateOptions) {
    const file = `/tmp/${name}.cfg`;
    writeFileSync(file, configuration(column, name, isLoaded));
    await commands.must(["xl", "create", "-q", "-e", file]);
    const guest = new Guest(name, commands);
    await until(`${name} to count`, START_LIMIT_MS, () => {
      return /pattern ok/.test(guest.#log()) || guest.#mustRun([name]);
    });
    return guest;
  }

  mark(): Mark {
    const log = this.#log();
    return { round: rounds(log).at(-1) ?? 0, logBytes: log.length };
  }

  /**
   * Waits until the guest has counted on from a mark with its pattern intact.
   *
   * @param incoming xl gives a guest that arrives another name: its console's log keeps that, and
   *   it may have it still.
   */
  async goesOn(mark: Mark, { incoming = false } = {}): Promise<void> {
    const log = () => (incoming ? this.#log(INCOMING) : this.#log().slice(mark.logBytes));
    const names = [this.name, ...(incoming ? [`${this.name}${INCOMING}`] : [])];
    await until(`${this.name} to count on from ${mark.round}`, SIGN_OF_LIFE_LIMIT_MS, () => {
      return rounds(log()).some((round) => round > mark.round) || this.#mustRun(names);
    });
    const last = log();
    if (/PATTERN BAD/.test(last)) {
      throw new Error(`the memory of ${this.name} is not what it was: ${last.trim()}`);
    }
    if (rounds(last)[0]! < mark.round) {
      throw new Error(`${this.name} has started anew, or is an old copy: ${last.trim()}`);
    }
  }

  save(file: string, flags: readonly string[], options: RunOptions): Promise<Ended> {
    return this.#commands.must(["xl", "save", ...flags, this.name, file], options);
  }

  restore(file: string, flags: readonly string[], options: RunOptions): Promise<Ended> {
    return this.#commands.must(["xl", "restore", "-e", ...flags, file], options);
  }

  /** Migrates to this same host, past a copy of the stream. */
  migrate(copy: string, { by, receiveBy, ...options }: MigrateOptions): Promise<Ended> {
    const receiver = [...this.#commands.helperWords(receiveBy), "xl", "migrate-receive", "-e"];
    // Without an ssh command xl takes the host for a command.
    const host = `tee ${copy} | ${receiver.join(" ")}`;
    return this.#commands.run(["xl", "migrate", "-s", "", this.name, host], {
      helper: by,
      ...options,
    });
  }

  /** Keeps a copy of the guest up to date until it is destroyed, past a copy of the stream. */
  protect(copy: string, { by, receiveBy }: MigrateOptions): Promise<Ended> {
    const receiver = [
      ...this.#commands.helperWords(receiveBy),
      "xl",
      "migrate-receive",
      "-r",
      "-e",
    ];
    // Neither network nor disk need to be held back: there are none.
    const options = ["-F", "-n", "-d", "-i", CHECKPOINT_INTERVAL_MS, "-s", ""];
    // The receiver goes on for a while when `xl remus` has ended.
    const said = this.#commands.logFile("receiver.txt");
    const host = `tee ${copy} | ${receiver.join(" ")} 2> ${said}`;
    const words = ["xl", "remus", ...options, this.name, host];
    return this.#commands.run(words, { helper: by });
  }

  async domid(): Promise<string> {
    const { lines } = await this.#commands.must(["xl", "domid", this.name]);
    return lines[0]!.text.trim();
  }

  /** The state column of `xl list`, such as `r-----`; undefined where there is no such guest. */
  async state(): Promise<string | undefined> {
    return (await this.#states()).get(this.name);
  }

  /** Asks the guest itself to suspend, as libxl would, and leaves it so. */
  async suspend(): Promise<void> {
    const node = `/local/domain/${await this.domid()}/control/shutdown`;
    await this.#commands.must(["xenstore-write", node, "suspend"]);
    await this.#untilSuspended();
  }

  /** Declares a guest that has not run since its restore suspended: its memory stays as it is. */
  async declareSuspended(): Promise<void> {
    await this.#hypercall(`domain_shutdown(${await this.domid()}, ${SUSPEND_REASON})`);
    await this.#untilSuspended();
  }

  /** Takes a suspension back: to the guest it was cancelled. */
  async resume(): Promise<void> {
    await this.#hypercall(`domain_resume(${await this.domid()}, 1)`);
  }

  async destroy(): Promise<void> {
    await this.#commands.must(["xl", "destroy", this.name]);
  }

  /**
   * @param names one of which it has.
   * @returns false: there is nothing to be seen yet, and the guest has not stopped either.
   */
  async #mustRun(names: readonly string[]): Promise<false> {
    await sleep(LOOK_MS);
    const states = await this.#states();
    const state = names.map((name) => states.get(name)).find((found) => found !== undefined);
    if (state === undefined || /[sc]/.test(state)) {
      throw new Error(`${this.name} is ${state ?? "gone"} when it should run`);
    }
    return false;
  }

  /** The state column of `xl list` by guests' names. */
  async #states(): Promise<ReadonlyMap<string, string>> {
    const { lines } = await this.#commands.run(["xl", "list"]);
    const columns = lines.slice(1).map(({ text }) => text.split(/\s+/));
    return new Map(columns.map(([name, , , , state]) => [name!, state!]));
  }

  async #untilSuspended(): Promise<void> {
    const isSuspended = async () => (await this.state())?.[3] === "s";
    await until(`${this.name} to be suspended`, SUSPEND_LIMIT_MS, isSuspended);
  }

  async #hypercall(call: string): Promise<void> {
    await this.#commands.must(["python3", "-c", `import xen.lowlevel.xc as c; c.xc().${call}`]);
  }

  #log(suffix = ""): string {
    const file = `/var/log/xen/console/guest-${this.name}${suffix}.log`;
    return existsSync(file) ? readFileSync(file, "latin1") : "";
  }
}

/** Waits for a condition. @throws Error that names what was waited for. */
export async function until(
  what: string,
  limitMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await condition())) {
    if (performance.now() > endMs) {
      throw new Error(`waited ${limitMs / 1000} s for ${what}`);
    }
    await sleep(POLL_MS);
  }
}

function rounds(log: string): readonly number[] {
  return [...log.matchAll(/ round (\d+) pattern/g)].map(([, round]) => Number(round));
}

function configuration(column: Column, name: string, isLoaded: boolean): string {
  const settings = {
    name,
    ...column.settings,
    ...kernelOf(column),
    extra: isLoaded ? column.loadedCommandLine : column.commandLine,
    vcpus: 1,
    on_crash: "preserve",
    on_reboot: "destroy",
  };
  return Object.entries(settings)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}\n`)
    .join("");
}

function kernelOf({ kernel, settings }: Column): Readonly<Record<string, string | number>> {
  if (kernel === "none") {
    return { kernel: `${FILES}/pv32` };
  }
  const name = kernel === "elf" ? "vmlinux" : "vmlinuz";
  const ramdisk = `${FILES}/counter.img`;
  return existsSync(`${FILES}/small-${name}`)
    ? { kernel: `${FILES}/small-${name}`, ramdisk, memory: settings.memory! }
    : { kernel: `${FILES}/debian-${name}`, ramdisk, memory: DEBIAN_KERNEL_MEMORY_MIB };
}
