/** The lab from outside: what it is built of, and one boot of it under QEMU's emulation. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import type { Hypervisor } from "./matrix.ts";

export type LabPart = "guest-kernel" | "shadow";

/** There can be no lab here; the message says why in one line. */
export class NoLabError extends Error {}

/** What the script says last where there can be no lab. */
const REFUSAL = /^no lab: /;
/** Status of timeout(1); after that, what it stops gets some more to tidy up. */
const TIMED_OUT = 124;
const GRACE_S = 10;
const MEMORY_MIB = 3072;
const DOM0_MEMORY_MIB = 1536;
/**
 * With SMAP, QEMU 7.2 kills PV kernels; with RDTSCP, Xen gives PVH guests a fault. With AVX,
 * programs in dom0 compute with registers of whoever ran before while guests are busy: Node.js
 * crashes, and data is misread.
 */
const CPU_MODEL = "max,-smap,-rdtscp,-avx,-avx2,-f16c,-fma";
/**
 * Eager: Xen would otherwise leave a program's vector registers in the CPU until somebody else
 * touches his, which QEMU does not tell it reliably.
 */
const XEN_OPTIONS =
  `console=com1 com1=115200,8n1 vga=none dom0_mem=${DOM0_MEMORY_MIB}M,max:${DOM0_MEMORY_MIB}M ` +
  "dom0_max_vcpus=2 spec-ctrl=no,eager-fpu loglvl=all guest_loglvl=all noreboot=0";
const DOM0_OPTIONS = "console=hvc0 quiet loglevel=4 panic=1 mitigations=off net.ifnames=0";

export class Lab {
  readonly #cache: string;

  /** The folder is $XENFERRY_LAB, or xenferry/xenlab in the user's cache. */
  constructor(environment: Readonly<Record<string, string | undefined>>) {
    const caches = environment.XDG_CACHE_HOME ?? path.join(homedir(), ".cache");
    this.#cache = path.resolve(environment.XENFERRY_LAB ?? path.join(caches, "xenferry", "xenlab"));
  }

  /**
   * Builds what is missing of the lab and of the given parts.
   *
   * @throws NoLabError where that is impossible, or takes longer than the limit.
   */
  async build(script: string, { parts, limitS }: BuildOptions): Promise<void> {
    // It stops all that the script started, not the script alone.
    const words = [`--kill-after=${GRACE_S}`, `${limitS}`, "bash", script, this.#cache, ...parts];
    const builder = spawn("timeout", words, { stdio: ["ignore", "inherit", "pipe"] });
    const refusal = passOn(builder.stderr, REFUSAL);
    const stop = () => builder.kill();
    process.once("exit", stop);
    const status = await ended(builder).finally(() => process.removeListener("exit", stop));
    if (status === TIMED_OUT || status === null) {
      builder.stderr.destroy();
      throw new NoLabError(`no lab: it could not be built within ${Math.round(limitS)} s`);
    }
    if (status !== 0) {
      throw new NoLabError((await refusal) ?? `no lab: ${script} ended with status ${status}`);
    }
  }

  /** Small guests need the kernel that is compiled on request; Debian's wants 96 MB. */
  get hasSmallKernel(): boolean {
    return existsSync(path.join(this.#cache, "guest", "small-vmlinux"));
  }

  get hasShadow(): boolean {
    return existsSync(path.join(this.#cache, "boot", "xen-shadow"));
  }

  /**
   * Boots, has dom0 run the script `run` of the job's folder, and waits for it to power off.
   *
   * @param job the folder dom0 sees as /job: it gets `output`, `status`, `console` and `xen-logs`.
   * @returns the script's exit status, or undefined where the lab did not get to give one.
   */
  async boot(job: string, options: BootOptions): Promise<number | undefined> {
    rmSync(path.join(job, "status"), { force: true });
    const qemu = spawn("qemu-system-x86_64", this.#arguments(job, options.hypervisor), {
      stdio: ["ignore", "inherit", "inherit"],
    });
    const stop = () => qemu.kill("SIGKILL");
    process.once("exit", stop);
    const watch = setInterval(() => options.onTick(), 500);
    const limit = setTimeout(stop, options.limitS * 1000);
    try {
      await ended(qemu);
    } finally {
      clearInterval(watch);
      clearTimeout(limit);
      process.removeListener("exit", stop);
    }
    options.onTick();
    const status = path.join(job, "status");
    return existsSync(status) ? Number(readFileSync(status, "utf8")) : undefined;
  }

  #arguments(job: string, hypervisor: Hypervisor): readonly string[] {
    const boot = path.join(this.#cache, "boot");
    const initrd = `${path.join(boot, "vmlinuz")} ${DOM0_OPTIONS},${path.join(boot, "initrd.img")}`;
    const model = process.getuid?.() === 0 ? "none" : "mapped-xattr";
    const share = (folder: string, tag: string) =>
      `local,path=${folder},mount_tag=${tag},security_model=${model},multidevs=remap`;
    return [
      ...["-M", "pc", "-accel", "tcg,thread=multi,tb-size=1024", "-cpu", CPU_MODEL],
      ...["-smp", "2", "-m", `${MEMORY_MIB}`, "-nodefaults", "-no-user-config", "-no-reboot"],
      ...["-display", "none", "-monitor", "none", "-device", "virtio-rng-pci"],
      ...["-serial", `file:${path.join(job, "console")}`],
      ...["-kernel", path.join(boot, hypervisor === "shadow" ? "xen-shadow" : "xen")],
      ...["-append", XEN_OPTIONS, "-initrd", initrd],
      ...[
        "-drive",
        `file=${path.join(this.#cache, "root.img")},if=none,id=root,format=raw,snapshot=on`,
      ],
      ...["-device", "virtio-blk-pci,drive=root"],
      ...["-virtfs", share(job, "job")],
      ...["-virtfs", `${share(path.join(this.#cache, "guest"), "guest")},readonly=on`],
    ];
  }
}

export interface BuildOptions {
  readonly parts: readonly LabPart[];
  /** The script, and all it started, is stopped when this is over. */
  readonly limitS: number;
}

export interface BootOptions {
  readonly hypervisor: Hypervisor;
  /** QEMU is stopped when this is over. */
  readonly limitS: number;
  /** Called every half second, and once more after the end. */
  readonly onTick: () => void;
}

/** An empty folder in place of whatever was there. */
export function emptyFolder(folder: string): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** @returns the status; null where a signal ended it. */
function ended(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
}

/** Shows what a program says. @returns the last line that matches, which is not shown. */
async function passOn(output: Readable, kept: RegExp): Promise<string | undefined> {
  let found: string | undefined;
  for await (const line of createInterface({ input: output })) {
    if (kept.test(line)) {
      found = line;
    } else {
      process.stderr.write(`${line}\n`);
    }
  }
  return found;
}
