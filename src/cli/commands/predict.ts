import type { Command } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { attachGuest } from "../../guest/open.ts";
import type { GuestSource } from "../../guest/types.ts";
import { countPages, type PageCensus } from "../../migration/page-census.ts";
import { type DirtySamples, sampleDirty } from "../../migration/sample-dirty.ts";
import { fitDirtyCurve } from "../../model/dirty-curve.ts";
import { type Link, ownLimiter } from "../../model/link.ts";
import type { MigrationCosts } from "../../model/modelled.ts";
import { POLICY_NAMES, policyNamed } from "../../model/policies/choose.ts";
import type { PrecopyPolicy } from "../../model/policy.ts";
import { type Prediction, type PredictionInput, predictMigration } from "../../model/prediction.ts";
import { costMs } from "../../model/regret.ts";
import { parseAddress } from "../../transport/address.ts";
import { chooseGuest } from "../choose-guest.ts";
import type { Context } from "../context.ts";
import { renderPrediction } from "../display/prediction.ts";
import { EXIT } from "../exit.ts";
import { type HostProbe, probeLocalhost } from "../probe-host.ts";
import type { Registrar } from "../program.ts";
import {
  addPolicyOptions,
  type PolicyCliOptions,
  policyOf,
  policyOptionsOf,
  positiveNumber,
  rate,
} from "../transfer-options.ts";

const HELP = `
GUEST is an embedded guest; it is looked at, and stays where it is. HOST is where it would go:
localhost, where migrations of another guest, made for it, are measured first. For any other HOST,
or none, --bandwidth says what the link carries.`;

interface PredictOptions extends PolicyCliOptions {
  readonly time: number;
  readonly bandwidth?: number;
  readonly bandwidthMax?: number;
  readonly throttle?: boolean;
}

/** How long a guest is looked at unless said otherwise (s). */
const TIME_S = 5;

export function registerPredict({ program, run }: Registrar): void {
  const command = program
    .command("predict <guest> [host]")
    .description("what a live migration would come to, without migrating")
    .addHelpText("after", HELP);
  addPolicyOptions(command)
    .option("--time <s>", "how long to look at the guest", positiveNumber, TIME_S)
    .option("--bandwidth <rate>", "what the link carries: octets a second, such as 100M", rate)
    .option("--bandwidth-max <rate>", "the limit that 'migrate' will be given", rate)
    .option("--throttle", "as if 'migrate' were given it")
    .action((name: string, host: string | undefined, options: PredictOptions, action: Command) =>
      run(action, (context) => predict(context, { name, host, command: action }, options)),
    );
}

/** What is predicted of, for displays. */
export interface PredictionReport {
  readonly guest: { readonly name: string; readonly memoryBytes: number };
  readonly census: PageCensus;
  readonly samples: DirtySamples;
  /** Different pages that are written in so long, as far as can be told. */
  readonly dirtyCurve: readonly { readonly windowMs: number; readonly dirtyPages: number }[];
  readonly link: Link;
  readonly costs: MigrationCosts;
  readonly probe?: HostProbe;
  readonly predictions: readonly Prediction[];
  /** Policy whose downtime, with time weighed in, is the shortest to be expected. */
  readonly best: string;
  readonly downtimeTargetMs: number;
}

async function predict(
  context: Context,
  {
    name,
    host,
    command,
  }: { readonly name: string; readonly host: string | undefined } & {
    readonly command: Command;
  },
  options: PredictOptions,
): Promise<number> {
  const chosen = await chooseGuest(name, context);
  if (chosen.kind === "xen") {
    const needs = "an embedded guest: the dirty log of a domain is its save helper's";
    throw new MigrationError("USAGE_ARGUMENT", { guest: chosen.domain.name, needs });
  }
  const isLocal = host !== undefined && parseAddress(host).kind === "local";
  if (!isLocal && options.bandwidth === undefined) {
    const needs = "--bandwidth, or localhost: a receiver elsewhere takes one migration only";
    throw new MigrationError("USAGE_ARGUMENT", { host, needs });
  }
  const asked = command.getOptionValueSource("policy") === "cli" ? [await policyOf(options)] : [];
  const guest = await attachGuest(chosen.name, { runDir: context.runDir });
  try {
    const probe = isLocal ? await probeLocalhost(context, guest.config) : undefined;
    const report = await reportOn(context, { guest, probe, asked }, options);
    context.result(report, () => renderPrediction(report));
    return EXIT.SUCCESS;
  } finally {
    await guest.cleanup();
  }
}

interface Task {
  readonly guest: GuestSource;
  readonly probe: HostProbe | undefined;
  /** Policies besides those that have names, of which one was asked for. */
  readonly asked: readonly PrecopyPolicy[];
}

async function reportOn(
  context: Context,
  { guest, probe, asked }: Task,
  options: PredictOptions,
): Promise<PredictionReport> {
  const { clock, signal } = context;
  const census = await countPages(guest, context.engine().engine);
  const samples = await sampleDirty({ guest, clock, signal, timeMs: options.time * 1000 });
  const { pfnCount } = guest.memory;
  const input: PredictionInput = {
    ...census,
    points: samples.points,
    pfnCount,
    link: linkOf(options, probe),
    costs: costsOf(samples, probe),
    handoverSpread: Math.max(SPREAD_MIN, probe?.handoverSpread ?? 0),
    downtimeTargetMs: options.downtime,
  };
  const policies = [
    ...asked,
    ...POLICY_NAMES.filter((name) => asked[0]?.name !== name).map((name) =>
      policyNamed(name, policyOptionsOf(options)),
    ),
  ];
  const isThrottling = options.throttle === true;
  const predictions = policies.map((policy) => predictMigration(input, policy, { isThrottling }));
  const { name, memoryBytes } = guest.config;
  return {
    guest: { name, memoryBytes },
    census,
    samples,
    dirtyCurve: curveTable(input),
    link: input.link,
    costs: input.costs,
    ...(probe && { probe }),
    predictions,
    best: bestOf(predictions),
    downtimeTargetMs: options.downtime,
  };
}

/** What a wire carries behind a limit that is lower, where nothing is known of it. */
const WIRE_BYTES_PER_SECOND = 1e9;

function linkOf({ bandwidth, bandwidthMax }: PredictOptions, probe: HostProbe | undefined): Link {
  const wire = bandwidth ?? probe?.bytesPerSecond ?? WIRE_BYTES_PER_SECOND;
  return bandwidthMax === undefined || bandwidthMax >= wire
    ? { bytesPerSecond: wire }
    : { bytesPerSecond: bandwidthMax, limiter: ownLimiter(wire) };
}

/** Least spread of the hand-over, as a share: it is many small steps of several processes. */
const SPREAD_MIN = 0.15;

/** Costs as embedded guests have them on one machine, where they were not measured (ms). */
const USUAL = { handoverMs: 5, aroundMs: 60, iterationMs: 1.5, gapMs: 3 };

function costsOf({ harvests }: DirtySamples, probe: HostProbe | undefined): MigrationCosts {
  const sorted = [...harvests].sort((one, other) => one.durationMs - other.durationMs);
  const harvestMs = sorted[Math.floor(sorted.length / 2)]?.durationMs ?? 0;
  return {
    iterationMs: USUAL.iterationMs,
    harvestMs,
    harvestMsPerPage: 0,
    gapMs: USUAL.gapMs + harvestMs,
    handoverMs: probe?.handoverMs ?? USUAL.handoverMs,
    aroundMs: probe?.aroundMs ?? USUAL.aroundMs,
  };
}

/** Windows of the curve that are told (ms). */
const TOLD_MS = [10, 100, 1000, 10_000, 100_000];

function curveTable({ points, pfnCount }: PredictionInput) {
  const curve = fitDirtyCurve(points, pfnCount);
  return TOLD_MS.map((windowMs) => ({ windowMs, dirtyPages: Math.round(curve(windowMs)) }));
}

/** A policy that is better than others by less, share and milliseconds, is not to be preferred. */
const MARGIN_SHARE = 0.05;
const MARGIN_MS = 2;

/** The first of those that nearly cost the least. */
function bestOf(predictions: readonly Prediction[]): string {
  const costs = predictions.map(({ downtimeMs, totalMs }) =>
    costMs({ downtimeMs: downtimeMs.expected, totalMs: totalMs.expected }),
  );
  const enough = Math.min(...costs) * (1 + MARGIN_SHARE) + MARGIN_MS;
  return predictions[costs.findIndex((cost) => cost <= enough)]!.policy;
}
