import { type Command, InvalidArgumentError } from "commander";
import { MigrationError } from "../../base/errors.ts";
import type { Context } from "../context.ts";
import { EventWriter } from "./event-writer.ts";
import { MetricsEndpoint } from "./metrics-endpoint.ts";
import { MetricsFile } from "./metrics-file.ts";
import { type Onlooker, together } from "./onlooker.ts";

/** Options that say who looks on, as commander leaves them. */
export interface OnlookerOptions {
  readonly events?: string;
  readonly metrics?: string;
  readonly metricsListen?: string;
  /** In seconds. */
  readonly metricsLinger?: number;
}

/** Adds the options of {@link OnlookerOptions} to a command. */
export function addOnlookerOptions(command: Command): Command {
  return command
    .option(
      "--events <file>",
      "write what happens here as it does, a line of JSON an event ('-': standard output)",
    )
    .option("--metrics <file>", "write OpenMetrics here, now and then and at the end")
    .option(
      "--metrics-listen <address>",
      "have OpenMetrics read at http://HOST:PORT/metrics; tcp://HOST:PORT",
    )
    .option(
      "--metrics-linger <seconds>",
      "how long the last values can be read there when all is over",
      seconds,
    );
}

/**
 * Does `work` in a context whose operations the onlookers that were asked for see, and waits until
 * they have told all.
 *
 * @throws MigrationError TRANSPORT_OPEN, TRANSPORT_ADDRESS, USAGE_ARGUMENT before the work begins,
 *   and what `work` throws.
 */
export async function observed<Result>(
  context: Context,
  options: OnlookerOptions,
  work: (context: Context) => Promise<Result>,
): Promise<Result> {
  const onlookers: Onlooker[] = [];
  const onlooker = together(onlookers);
  try {
    for (const open of openersOf(context, options)) {
      onlookers.push(await open());
    }
    return await work({ ...context, onlooker });
  } finally {
    await onlooker.close();
  }
}

function openersOf(
  context: Context,
  { events, metrics, metricsListen, metricsLinger }: OnlookerOptions,
): readonly (() => Promise<Onlooker>)[] {
  if (metricsLinger !== undefined && metricsListen === undefined) {
    const needs = "--metrics-listen with --metrics-linger";
    throw new MigrationError("USAGE_ARGUMENT", { needs });
  }
  const lingerMs = (metricsLinger ?? 0) * 1000;
  return [
    ...(events === undefined ? [] : [() => EventWriter.open(events, context.clock)]),
    ...(metrics === undefined ? [] : [() => MetricsFile.open(metrics, context)]),
    ...(metricsListen === undefined
      ? []
      : [() => MetricsEndpoint.open(context, { address: metricsListen, lingerMs })]),
  ];
}

/** Timers end at 2^31 ms. */
const SECONDS_MAX = 2_000_000;

function seconds(text: string): number {
  const value = Number(text);
  if (text === "" || !(value >= 0 && value <= SECONDS_MAX)) {
    throw new InvalidArgumentError(`seconds are needed, from 0 to ${SECONDS_MAX}`);
  }
  return value;
}
