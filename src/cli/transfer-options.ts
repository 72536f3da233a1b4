import { type Command, InvalidArgumentError, Option } from "commander";
import { CHANNELS_MAX } from "../format/own.ts";
import { parseSizeBytes } from "../guest/quantity.ts";
import { loadPolicyModule } from "../migration/policy-module.ts";
import type { ZeroPages } from "../migration/precopy.ts";
import type { Compression } from "../migration/pump.ts";
import type { ChannelOptions } from "../migration/source-channels.ts";
import { isPolicyName, POLICY_NAMES, policyNamed } from "../model/policies/choose.ts";
import { POLICY_DEFAULTS, type PolicyOptions, type PrecopyPolicy } from "../model/policy.ts";

/** Options that save and migrate share, as commander leaves them. */
export interface TransferCliOptions {
  readonly live: boolean;
  /** A name, or the file of a module. */
  readonly policy: string;
  readonly downtime: number;
  readonly deadline: number;
  readonly iterationsMax: number;
  readonly timeMax: number;
  readonly aboveTarget: "stop-and-copy" | "abort";
  readonly zeroPages: ZeroPages;
  /** Octets a second; 0 is no limit. */
  readonly bandwidthMax: number;
  readonly skipUnchanged: boolean;
  readonly throttle: boolean;
  readonly profile?: string;
}

/** The options as they are when nothing is asked for. */
export const TRANSFER_DEFAULTS: TransferCliOptions = {
  live: true,
  policy: "downtime",
  downtime: POLICY_DEFAULTS.downtimeTargetMs,
  deadline: POLICY_DEFAULTS.deadlineMs / 1000,
  iterationsMax: POLICY_DEFAULTS.iterationsMax,
  timeMax: POLICY_DEFAULTS.totalMsMax / 1000,
  aboveTarget: POLICY_DEFAULTS.aboveTarget,
  zeroPages: "elide",
  bandwidthMax: 0,
  skipUnchanged: false,
  throttle: false,
};

/** What a migration can use besides, where both ends are ours. */
export interface ChannelCliOptions {
  readonly channels?: number | "auto";
  readonly compress?: Compression;
  readonly auto?: boolean;
}

/** Adds the options of {@link ChannelCliOptions} to a command. */
export function addChannelOptions(command: Command): Command {
  return command
    .option(
      "--channels <n>",
      `connections for pages: 1 (default) to ${CHANNELS_MAX}, or auto: more while that is faster`,
      channelCount,
    )
    .addOption(
      new Option(
        "--compress <how>",
        "pack pages: never, always, or where it takes less time",
      ).choices(["none", "zstd", "auto"]),
    )
    .option(
      "--auto",
      "choose channels, compression and leaving out unchanged pages by measured link and CPU",
    );
}

/** What the options ask for; what is not given is as `--auto` says. */
export function channelsOf({ channels, compress, auto }: ChannelCliOptions): ChannelOptions {
  return {
    channels: channels ?? (auto === true ? "auto" : 1),
    compression: compress ?? (auto === true ? "auto" : "none"),
  };
}

/** Adds the options of {@link TransferCliOptions} to a command. */
export function addTransferOptions(command: Command): Command {
  const defaults = TRANSFER_DEFAULTS;
  command.option("--no-live", "suspend first, then copy everything once");
  return addPolicyOptions(command)
    .addOption(
      new Option("--zero-pages <action>", "pages of zeros in the first iteration: named, or sent")
        .choices(["elide", "send"])
        .default(defaults.zeroPages),
    )
    .option("--bandwidth-max <rate>", "octets a second, such as 100M", rate, defaults.bandwidthMax)
    .option(
      "--skip-unchanged",
      "leave out pages rewritten with the same content (0.8 % of the guest's memory, for digests)",
      defaults.skipUnchanged,
    )
    .option(
      "--throttle",
      "slow the guest down where pre-copy does not converge: by 20 % of its vCPUs' time, 30 … 99 %",
      defaults.throttle,
    )
    .option("--profile <file>", "write the profile (JSON) here");
}

/** Adds the options that choose a policy. */
export function addPolicyOptions(command: Command): Command {
  const defaults = TRANSFER_DEFAULTS;
  return command
    .option(
      "--policy <name>",
      `when to suspend: ${POLICY_NAMES.join(", ")}, or the file of a module, such as ./mine.js`,
      policyName,
      defaults.policy,
    )
    .option("--downtime <ms>", "downtime: the target", positiveNumber, defaults.downtime)
    .option(
      "--deadline <s>",
      "deadline: when the guest is to run there",
      positiveNumber,
      defaults.deadline,
    )
    .option("--iterations-max <n>", "bound on iterations", positiveNumber, defaults.iterationsMax)
    .option("--time-max <s>", "bound on pre-copy time", positiveNumber, defaults.timeMax)
    .addOption(
      new Option("--above-target <action>", "at a bound, or when nothing is gained any more")
        .choices(["stop-and-copy", "abort"])
        .default(defaults.aboveTarget),
    );
}

/** The options that choose a policy, as commander leaves them. */
export type PolicyCliOptions = Pick<
  TransferCliOptions,
  "policy" | "downtime" | "deadline" | "iterationsMax" | "timeMax" | "aboveTarget"
>;

/** What the options say to policies. */
export function policyOptionsOf(options: PolicyCliOptions): PolicyOptions {
  return {
    downtimeTargetMs: options.downtime,
    deadlineMs: options.deadline * 1000,
    iterationsMax: options.iterationsMax,
    totalMsMax: options.timeMax * 1000,
    aboveTarget: options.aboveTarget,
  };
}

/** The policy that the options name. @throws MigrationError POLICY_* of a module */
export async function policyOf(options: PolicyCliOptions): Promise<PrecopyPolicy> {
  const { policy } = options;
  return isPolicyName(policy)
    ? policyNamed(policy, policyOptionsOf(options))
    : loadPolicyModule(policy, policyOptionsOf(options));
}

/** What is no name has to look like a file, so that a slip of the pen is told as such. */
function policyName(text: string): string {
  if (!isPolicyName(text) && !/[/\\]|\.[cm]?[jt]s$/.test(text)) {
    const names = POLICY_NAMES.join(", ");
    throw new InvalidArgumentError(`${names}, or a module's file such as ./mine.js, is needed`);
  }
  return text;
}

/** Reads octets a second; above 0. */
export function rate(text: string): number {
  const bytesPerSecond = parseSizeBytes(text);
  if (bytesPerSecond === undefined || bytesPerSecond === 0) {
    throw new InvalidArgumentError("octets a second are needed, such as 100M or 200MB");
  }
  return bytesPerSecond;
}

/** Reads a number that is 0 or more. */
export function amount(text: string): number {
  const value = text === "" ? Number.NaN : Number(text);
  if (!Number.isFinite(value) || value < 0) {
    throw new InvalidArgumentError("a number from 0 on is needed");
  }
  return value;
}

function channelCount(text: string): number | "auto" {
  const count = text === "auto" ? text : Number(text);
  if (count !== "auto" && !(Number.isInteger(count) && count >= 1 && count <= CHANNELS_MAX)) {
    throw new InvalidArgumentError(`a number from 1 to ${CHANNELS_MAX} or auto is needed`);
  }
  return count;
}

/** Reads a number above 0. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError("a number above 0 is needed");
  }
  return value;
}
