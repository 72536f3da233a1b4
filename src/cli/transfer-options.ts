import { type Command, InvalidArgumentError, Option } from "commander";
import { parseSizeBytes } from "../guest/quantity.ts";
import {
  DOWNTIME_POLICY_DEFAULTS,
  downtimePolicy,
  type PrecopyPolicy,
  xenPolicy,
} from "../migration/policy.ts";
import type { ZeroPages } from "../migration/precopy.ts";

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
};

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

function positiveNumber(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError("a number above 0 is needed");
  }
  return value;
}
