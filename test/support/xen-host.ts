import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const MAIN = here("../../dist/cli/main.js");

/** A domain as the made-up `xl` keeps it. */
export interface MadeUpDomain {
  readonly domid: number;
  readonly name: string;
  readonly type: "pv" | "pvh" | "hvm";
  readonly mib: number;
  readonly vcpus: number;
  readonly state: string;
}

type Variables = Readonly<Record<string, string>>;

/** What a command came to. */
export interface HostResult {
  readonly status: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * A machine with a made-up `xl` and `ssh` in its PATH, whose helper follows a script; `ssh` leads
 * to the same domains, by what is in the folder `far`.
 */
export class XenHost {
  readonly folder = mkdtempSync(path.join(tmpdir(), "xenferry-xl-"));
  readonly environment: Record<string, string>;

  constructor() {
    for (const name of ["bin", "far", "xen", "run"]) {
      mkdirSync(path.join(this.folder, name));
    }
    const node = process.execPath;
    for (const place of ["bin", "far"]) {
      this.program(`${place}/xl`, `exec ${node} ${here("fake-xl.mjs")} "$@"`);
    }
    this.program("far/xenferry", `exec ${node} ${MAIN} "$@"`);
    this.program("helper", `exec ${node} ${here("save-helper.mjs")} "$@"`);
    const log = `printf '%s\\n' "$*" >> '${this.folder}/ssh.log'`;
    const options = `while [ "$1" = -p ] || [ "$1" = -q ]; do [ "$1" = -p ] && shift; shift; done`;
    const own = "-u LIBXL_SAVE_HELPER -u XENFERRY_REPORT";
    const far = `exec env ${own} PATH='${this.folder}/far:/usr/bin:/bin' sh -c "exec $*"`;
    this.program("bin/ssh", `${log}; ${options}; shift; ${far}`);
    this.environment = {
      PATH: `${this.folder}/bin:/usr/bin:/bin`,
      FAKE_XL: path.join(this.folder, "xen"),
      LIBXL_SAVE_HELPER: path.join(this.folder, "helper"),
      XENFERRY_RUN_DIR: path.join(this.folder, "run"),
    };
  }

  /** Writes a program for the shell. */
  program(name: string, script: string): void {
    const file = path.join(this.folder, name);
    writeFileSync(file, `#!/bin/sh\n${script}\n`);
    chmodSync(file, 0o755);
  }

  add(domain: Partial<MadeUpDomain> & { readonly domid: number; readonly name: string }): void {
    const whole = { type: "pvh", mib: 32, vcpus: 1, state: "r-----", ...domain };
    writeFileSync(path.join(this.folder, "xen", `${domain.domid}.json`), JSON.stringify(whole));
  }

  domains(): readonly MadeUpDomain[] {
    const folder = path.join(this.folder, "xen");
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .map((name) => JSON.parse(readFileSync(path.join(folder, name), "utf8")) as MadeUpDomain)
      .sort((one, other) => one.domid - other.domid);
  }

  /** Commands that `xl` got, without questions. */
  calls(): readonly (readonly string[])[] {
    return this.#lines("xen/calls")
      .map((line) => JSON.parse(line) as readonly string[])
      .filter(([command]) => command !== "list" && command !== "info");
  }

  /** What `ssh` was run with. */
  sshCalls(): readonly string[] {
    return this.#lines("ssh.log");
  }

  path(name: string): string {
    return path.join(this.folder, name);
  }

  start(args: readonly string[], variables: Variables = {}): HostCommand {
    const child = spawn(process.execPath, [MAIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: this.folder,
      env: { ...this.environment, ...variables },
    });
    return new HostCommand(child);
  }

  async run(args: readonly string[], variables: Variables = {}): Promise<HostResult> {
    return await this.start(args, variables).ended;
  }

  /** Waits until something holds that files in a folder of the host decide. */
  async until(folder: string, holds: () => boolean): Promise<void> {
    const watcher = watch(this.path(folder));
    try {
      while (!holds()) {
        await once(watcher, "change");
      }
    } finally {
      watcher.close();
    }
  }

  dispose(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #lines(name: string): readonly string[] {
    const file = this.path(name);
    return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
  }
}

/** A command under way. */
export class HostCommand {
  readonly child: ChildProcess;
  readonly ended: Promise<HostResult>;
  #stdout = "";
  #stderr = "";

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout!.on("data", (chunk) => {
      this.#stdout += chunk;
    });
    child.stderr!.on("data", (chunk) => {
      this.#stderr += chunk;
    });
    this.ended = once(child, "close").then(([status, signal]) => ({
      status: status ?? signal,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  /** Waits for a text on standard error. */
  async says(text: string): Promise<void> {
    while (!this.#stderr.includes(text)) {
      await once(this.child.stderr!, "data");
    }
  }
}
