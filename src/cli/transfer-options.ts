import { type Command, InvalidArgumentError, Option } from "commander";
import { CHANNELS_MAX } from "../format/own.ts";
import { parseSizeBytes } from "../guest/quantity.ts";
import {
  DOWNTIME_POLICY_DEFAULTS,
  downtimePolicy,
  type PrecopyPolicy,
  xenPolicy,
} from "../migration/policy.ts";
import type { ZeroPages } from "../migration/precopy.ts";
import type { Compression } from "../migration/pump.ts";
import type { ChannelOptions } from "../migration/source-channels.ts";

/** Options that save and migrate share, as commander leaves them. */
export interface TransferCliOptions {
  readonly live: boolean;
  readonly policy: "downtime" | "xen";
  readonly downtime: number;
  readonly iterationsMax: number;
  readonly timeMax: number;
  readonly aboveTarget: "stop-and-copy" | "abort";
  readonly zeroPages: ZeroPages;
  /** Octets a second; 0 is no limit. */
  readonly bandwidthMax: number;
  readonly skipUnchanged: boolean;
  readonly profile?: string;
}

/** The options as they are when nothing is asked for. */
export const TRANSFER_DEFAULTS: TransferCliOptions = {
  live: true,
  policy: "downtime",
  downtime: DOWNTIME_POLICY_DEFAULTS.downtimeTargetMs,
  iterationsMax: DOWNTIME_POLICY_DEFAULTS.iterationsMax,
  timeMax: DOWNTIME_POLICY_DEFAULTS.totalMsMax / 1000,
  aboveTarget: DOWNTIME_POLICY_DEFAULTS.aboveTarget,
  zeroPages: "elide",
  bandwidthMax: 0,
  skipUnchanged: false,
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
  return command
    .option("--no-live", "suspend first, then copy everything once")
    .addOption(
      new Option("--policy <name>", "when to suspend: by expected downtime, or as Xen does")
        .choices(["downtime", "xen"])
        .default("downtime"),
    )
    .option("--downtime <ms>", "downtime target", positiveNumber, defaults.downtime)
    .option("--iterations-max <n>", "bound on iterations", positiveNumber, defaults.iterationsMax)
    .option("--time-max <s>", "bound on pre-copy time", positiveNumber, defaults.timeMax)
    .addOption(
      new Option("--above-target <action>", "at a bound, or when nothing is gained any more")
        .choices(["stop-and-copy", "abort"])
        .default(defaults.aboveTarget),
    )
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
    .option("--profile <file>", "write the profile (JSON) here");
}

/** The policy that the options name. */
export function policyOf(options: TransferCliOptions): PrecopyPolicy {
  return options.policy === "xen"
    ? xenPolicy
    : downtimePolicy({
        downtimeTargetMs: options.downtime,
        iterationsMax: options.iterationsMax,
        totalMsMax: options.timeMax * 1000,
        aboveTarget: options.aboveTarget,
      });
}

function rate(text: string): number {
  const bytesPerSecond = parseSizeBytes(text);
  if (bytesPerSecond === undefined || bytesPerSecond === 0) {
    throw new InvalidArgumentError("octets a second are needed, such as 100M or 200MB");
  }
  return bytesPerSecond;
}

function channelCount(text: string): number | "auto" {
  const count = text === "auto" ? text : Number(text);
  if (count !== "auto" && !(Number.isInteger(count) && count >= 1 && count <= CHANNELS_MAX)) {
    throw new InvalidArgumentError(`a number from 1 to ${CHANNELS_MAX} or auto is needed`);
  }
  return count;
}

function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError("a number above 0 is needed");
  }
  return value;
}
