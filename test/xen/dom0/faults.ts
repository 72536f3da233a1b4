/** What goes wrong midway through a save or a migration: each fault gives what xl came to. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault, Helper } from "../matrix.ts";
import { type Guest, until } from "./guest.ts";
import type { Commands, Ended } from "./xl.ts";

export interface Victim {
  readonly guest: Guest;
  readonly by: Helper;
  readonly commands: Commands;
  readonly folder: string;
}

/** Enough of a stream that a helper is amid its pages, for every guest. */
const MIDWAY_BYTES = 1 << 20;
const MIDWAY_LIMIT_MS = 120_000;
const SIGTERM_LIMIT_MS = 60_000;
const SMALL_DISK = "/tmp/small-disk";
const SMALL_DISK_BYTES = 2 << 20;

export const FAULTS: Readonly<Record<Fault, (victim: Victim) => Promise<Ended>>> = {
  /** The helper waits for a reader of a full pipe when the signal comes. */
  async sigterm({ guest, by, commands, folder }) {
    const pipe = await NamedPipe.make(path.join(folder, "pipe"), commands);
    const saving = commands.run(["xl", "save", guest.name, pipe.file], { helper: by });
    try {
      await pipe.midway;
      signal("SIGTERM", "--save-domain");
      const late = sleep(SIGTERM_LIMIT_MS, undefined, { ref: false }).then(() => {
        throw new Error(`${SIGTERM_LIMIT_MS / 1000} s after SIGTERM xl still waits for its helper`);
      });
      return await Promise.race([saving, late]);
    } finally {
      pipe.close();
    }
  },

  async "full-disk"({ guest, by, commands }) {
    mkdirSync(SMALL_DISK, { recursive: true });
    const options = ["-o", `size=${SMALL_DISK_BYTES}`];
    await commands.must(["mount", "-t", "tmpfs", ...options, "tmpfs", SMALL_DISK]);
    try {
      return await commands.run(["xl", "save", guest.name, `${SMALL_DISK}/image`], { helper: by });
    } finally {
      await commands.run(["umount", SMALL_DISK]);
    }
  },

  async "broken-pipe"({ guest, by, commands, folder }) {
    const pipe = await NamedPipe.make(path.join(folder, "pipe"), commands);
    const saving = commands.run(["xl", "save", guest.name, pipe.file], { helper: by });
    await pipe.midway;
    pipe.close();
    return saving;
  },

  async "receiver-killed"({ guest, by, folder }) {
    const copy = path.join(folder, "copy");
    const migrating = guest.migrate(copy, { by, receiveBy: "stock" });
    await until("the stream to be midway", MIDWAY_LIMIT_MS, () => {
      return existsSync(copy) && statSync(copy).size >= MIDWAY_BYTES;
    });
    signal("SIGKILL", "--restore-domain");
    return migrating;
  },
};

/** A pipe with a name, whose reader takes MIDWAY_BYTES and then no more. */
class NamedPipe {
  readonly file: string;
  readonly midway: Promise<void>;
  readonly #reader;

  private constructor(file: string) {
    this.file = file;
    const script = `head -c ${MIDWAY_BYTES} > /dev/null && echo midway && exec sleep 600`;
    this.#reader = spawn("bash", ["-c", `exec < "$1"; ${script}`, "bash", file], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    this.midway = new Promise((resolve) => this.#reader.stdout.once("data", () => resolve()));
  }

  static async make(file: string, commands: Commands): Promise<NamedPipe> {
    await commands.must(["mkfifo", file]);
    return new NamedPipe(file);
  }

  close(): void {
    this.#reader.kill("SIGKILL");
  }
}

/** Signals every process that has the word among its arguments. */
function signal(name: NodeJS.Signals, word: string): void {
  const pids = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && hasWord(pid, word));
  if (pids.length === 0) {
    throw new Error(`no process with ${word} to be seen midway`);
  }
  for (const pid of pids) {
    process.kill(Number(pid), name);
  }
}

function hasWord(pid: string, word: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").split("\0").includes(word);
  } catch {
    return false;
  }
}
