import type { Command } from "commander";
import type { Context } from "../context.ts";
import { EventWriter } from "./event-writer.ts";
import { type Onlooker, together } from "./onlooker.ts";

/** Options that say who looks on, as commander leaves them. */
export interface OnlookerOptions {
  readonly events?: string;
}

/** Adds the options of {@link OnlookerOptions} to a command. */
export function addOnlookerOptions(command: Command): Command {
  return command.option(
    "--events <file>",
    "write what happens here as it does, a line of JSON an event ('-': standard output)",
  );
}

/**
 * Does `work` in a context whose operations the onlookers that were asked for see, and waits until
 * they have told all.
 *
 * @throws MigrationError TRANSPORT_OPEN before the work begins, and what `work` throws.
 */
export async function observed<Result>(
  context: Context,
  options: OnlookerOptions,
  work: (context: Context) => Promise<Result>,
): Promise<Result> {
  const onlooker = together(await openAll(context, options));
  try {
    return await work({ ...context, onlooker });
  } finally {
    await onlooker.close();
  }
}

async function openAll(context: Context, options: OnlookerOptions): Promise<readonly Onlooker[]> {
  const { events } = options;
  return events === undefined ? [] : [await EventWriter.open(events, context.clock)];
}
