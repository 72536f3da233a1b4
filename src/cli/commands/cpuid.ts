import type { Command } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { cpuFeatures, cpuIdentity } from "../../codec/cpu-policy.ts";
import { readHostCpuid } from "../../guest/host-cpu.ts";
import { compareCpus, isRunnable, type KnownCpu, levelCpus } from "../../migration/cpu-levels.ts";
import { readCpuPolicy } from "../../migration/read-policy.ts";
import { openImage } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { renderComparison, renderCpu, renderLevel } from "../display/cpuid.ts";
import { EXIT } from "../exit.ts";
import { interruptible } from "../image-work.ts";
import type { Registrar } from "../program.ts";

/** The name that stands for this machine's CPU in place of an image. */
const HOST = "host";

interface CpuidFlags {
  readonly against?: string;
  readonly level?: boolean;
}

/** xenferry cpuid. */
export function registerCpuid({ program, run }: Registrar): void {
  program
    .command("cpuid <image...>")
    .description("say what saved guests were told of their CPUs ('host' is this machine's CPU)")
    .option("--against <image>", "name what the guest was told and that side lacks")
    .option("--level", "print the line of an xl.cfg that gives guests no more than all have")
    .action((images: readonly string[], flags: CpuidFlags, command: Command) =>
      run(command, (context) => cpuid(context, images, flags)),
    );
}

async function cpuid(
  context: Context,
  images: readonly string[],
  flags: CpuidFlags,
): Promise<number> {
  if (flags.level && flags.against !== undefined) {
    throw new MigrationError("USAGE_ARGUMENT", { options: "--against with --level" });
  }
  const cpus: KnownCpu[] = [];
  for (const image of images) {
    cpus.push(await readCpu(context, image));
  }
  if (flags.level) {
    const level = levelCpus(cpus);
    context.result(level, () => renderLevel(level, context));
    return EXIT.SUCCESS;
  }
  const [guest] = cpus;
  if (guest === undefined || cpus.length > 1) {
    throw new MigrationError("USAGE_ARGUMENT", { images: cpus.length, expected: "one image" });
  }
  return flags.against === undefined
    ? show(context, guest)
    : await compare(context, guest, flags.against);
}

function show(context: Context, cpu: KnownCpu): number {
  const { names, unnamed } = cpuFeatures(cpu);
  const result = { cpu: cpuIdentity(cpu), features: names, unnamed_features: unnamed };
  context.result(result, () => renderCpu(result, context.width));
  return EXIT.SUCCESS;
}

async function compare(context: Context, guest: KnownCpu, against: string): Promise<number> {
  const other = await readCpu(context, against);
  const comparison = compareCpus(guest, other);
  context.result({ ...comparison, runnable: isRunnable(comparison) }, () =>
    renderComparison(comparison, against, context.width),
  );
  return isRunnable(comparison) ? EXIT.SUCCESS : EXIT.WORLD;
}

async function readCpu(context: Context, name: string): Promise<KnownCpu> {
  if (name === HOST) {
    return { leaves: readHostCpuid(), msrs: undefined, kind: "cpu" };
  }
  const { engine } = context.engine();
  const image = await openImage(name === "-" ? process.stdin : name);
  try {
    return await interruptible(context, image, () =>
      readCpuPolicy(image, { pageDataHead: engine, signal: context.signal }),
    );
  } finally {
    await image.close();
  }
}
