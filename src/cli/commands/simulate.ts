import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { MigrationError } from "../../base/errors.ts";
import { comparePolicies, type TraceComparison, usualLimit } from "../../model/compare.ts";
import { POLICY_NAMES, policyNamed } from "../../model/policies/choose.ts";
import type { PrecopyPolicy } from "../../model/policy.ts";
import { TOTAL_WEIGHT } from "../../model/regret.ts";
import { STANDARD_SCENARIOS } from "../../model/scenarios.ts";
import type { Trace } from "../../model/trace.ts";
import { parseTrace } from "../../model/trace-file.ts";
import { missingOf, type TraceOptions } from "../../model/trace-source.ts";
import { PUBLIC_TRACES } from "../../model/traces/index.ts";
import type { Context } from "../context.ts";
import { renderComparison } from "../display/simulation.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";
import {
  addPolicyOptions,
  amount,
  type PolicyCliOptions,
  policyOf,
  policyOptionsOf,
  rate,
} from "../transfer-options.ts";

const BUILT_IN: readonly Trace[] = [...STANDARD_SCENARIOS, ...PUBLIC_TRACES];

const HELP = `
TRACE is a file, a trace or a profile that --profile wrote, or one of these, which are all
simulated where none is named:
${BUILT_IN.map(({ name, about }) => `  ${name.padEnd(22)}${about}`).join("\n")}

Each policy is compared with the others, with a fixed limit of 300 ms, and with the best that could
have been done: its regret is what it cost more than that, in milliseconds of downtime and --weight
for each second of total time. --throttle slows a modelled guest down, as that of migrate does.`;

interface SimulateOptions extends PolicyCliOptions {
  readonly bandwidth?: number;
  readonly throttle?: boolean;
  readonly weight: number;
}

export function registerSimulate({ program, run }: Registrar): void {
  const command = program
    .command("simulate [trace...]")
    .description("what policies would make of recorded migrations, and of guests at their work");
  addPolicyOptions(command)
    .option("--bandwidth <rate>", "octets a second, such as 100M, in place of the trace's", rate)
    .option("--throttle", "slow the guest down where the loop does not converge")
    .option("--weight <ms>", "what a second of total time is worth", amount, TOTAL_WEIGHT)
    .addHelpText("after", HELP)
    .action((traces: readonly string[], options: SimulateOptions, action: Command) =>
      run(action, (context) => simulate(context, traces, options, action)),
    );
}

async function simulate(
  context: Context,
  names: readonly string[],
  options: SimulateOptions,
  command: Command,
): Promise<number> {
  const traces = names.length === 0 ? BUILT_IN : await Promise.all(names.map(traceNamed));
  const isNamed = command.getOptionValueSource("policy") === "cli";
  const policies = isNamed ? [await policyOf(options)] : allPolicies(options);
  const traceOptions = {
    bytesPerSecond: options.bandwidth,
    isThrottling: options.throttle === true,
  };
  const comparisons = traces.map((trace): TraceComparison => {
    checkTrace(trace, traceOptions);
    return comparePolicies(trace, policies, { ...traceOptions, weight: options.weight });
  });
  context.result({ weight: options.weight, traces: comparisons.map(jsonOf) }, () =>
    comparisons.map((comparison) => renderComparison(comparison)).join("\n\n"),
  );
  return EXIT.SUCCESS;
}

function allPolicies(options: SimulateOptions): readonly PrecopyPolicy[] {
  const asked = policyOptionsOf(options);
  return [...POLICY_NAMES.map((name) => policyNamed(name, asked)), usualLimit(asked)];
}

/** @throws MigrationError TRACE_INVALID, TRANSPORT_OPEN */
async function traceNamed(name: string): Promise<Trace> {
  const builtIn = BUILT_IN.find((trace) => trace.name === name);
  return builtIn ?? parseTrace(await textOf(name), name);
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}

function checkTrace(trace: Trace, options: TraceOptions): void {
  const missing = missingOf(trace, options);
  if (missing !== undefined) {
    throw new MigrationError("TRACE_INVALID", { trace: trace.name, missing });
  }
}

/** Without the iterations' own records, of which there may be thousands. */
function jsonOf({ trace, best, results }: TraceComparison) {
  const { name, about, source, assumed } = trace;
  return {
    ...{ name, about, source, assumed },
    best: { iterations: best.iterations, costMs: best.costMs, ...best.point },
    policies: results.map((result) => ({ ...result, iterations: result.iterations.length })),
  };
}
