import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Interface } from "node:readline";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { z } from "zod";
import { type Clock, machineClock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import { throwIfInterrupted } from "../migration/interruption.ts";
import type { Environment } from "./xl.ts";

/** The command that answers: what {@link answerQuestions} does. */
export const FAR_END_WORDS = ["xenferry", "far-end"] as const;

/** How this machine's monotonic clock and another's differ. */
export interface ClockOffset {
  /** What to add to a time there for the time here (ms). */
  readonly offsetMs: number;
  /** The true offset is at most so much more or less (ms). */
  readonly uncertaintyMs: number;
}

/** What there is at the other end; with a reason where it does not answer. */
export type FarEnd =
  | { readonly saveHelper: string; readonly clock: ClockOffset }
  | { readonly reason: string };

const QUESTION = "clock";
const ROUND_TRIPS = 8;

/** How long the other end may take to answer a question, or to be reached (ms). */
const ANSWER_MS_MAX = 60_000;

/** Exit status of ssh when it does not get there. @source ssh(1) */
const SSH_FAILED = 255;

const introductionSchema = z.object({ saveHelper: z.string().startsWith("/") });
const answerSchema = z.object({ clockMs: z.number() });

/**
 * Asks the other end of a migration which helper it has, and what time it is there.
 *
 * @param command the shell's, which runs FAR_END_WORDS there.
 * @throws MigrationError TRANSPORT_OPEN ssh does not get there
 */
export async function askFarEnd(
  command: string,
  { environment, signal }: { readonly environment: Environment; readonly signal: AbortSignal },
): Promise<FarEnd> {
  const child = spawn("/bin/sh", ["-c", `exec ${command}`], {
    stdio: ["pipe", "pipe", "pipe"],
    env: { ...environment },
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]),
  });
  child.on("error", () => undefined);
  child.stdin.on("error", () => undefined);
  const exited = once(child, "close").catch(() => [undefined]);
  const said = text(child.stderr);
  const lines = createInterface({ input: child.stdout });
  const answer = await ask(lines, (question) => child.stdin.write(`${question}\n`));
  child.stdin.end();
  const [status] = await exited;
  throwIfInterrupted(signal);
  if (answer !== undefined) {
    return answer;
  }
  const reason = (await said).trim().split("\n").at(-1) || `it ended with status ${status}`;
  if (status === SSH_FAILED) {
    throw new MigrationError("TRANSPORT_OPEN", { command, reason });
  }
  return { reason };
}

/** Undefined where the other end does not answer as it must. */
async function ask(
  lines: Interface,
  tell: (question: string) => void,
): Promise<FarEnd | undefined> {
  let introduction: z.infer<typeof introductionSchema> | undefined;
  const trips: ClockOffset[] = [];
  let askedMs = 0;
  for await (const line of lines) {
    const nowMs = machineClock.nowMs();
    const answer = introduction && parsed(answerSchema, line);
    if (answer !== undefined) {
      trips.push(offsetOf(askedMs, nowMs, answer.clockMs));
    } else {
      // A login may print what it likes before.
      introduction ??= parsed(introductionSchema, line);
    }
    if (trips.length === ROUND_TRIPS) {
      break;
    }
    if (introduction !== undefined) {
      askedMs = machineClock.nowMs();
      tell(QUESTION);
    }
  }
  const [clock] = trips.sort((one, other) => one.uncertaintyMs - other.uncertaintyMs);
  return introduction && clock && { ...introduction, clock };
}

/** The time there was told at some time between the two here. */
function offsetOf(askedMs: number, answeredMs: number, thereMs: number): ClockOffset {
  const uncertaintyMs = (answeredMs - askedMs) / 2;
  return { offsetMs: askedMs + uncertaintyMs - thereMs, uncertaintyMs };
}

/** Answers {@link askFarEnd} until there are no more questions. */
export async function answerQuestions(
  questions: AsyncIterable<string>,
  {
    saveHelper,
    clock,
    tell,
  }: {
    readonly saveHelper: string;
    readonly clock: Clock;
    readonly tell: (line: string) => void;
  },
): Promise<void> {
  tell(JSON.stringify({ saveHelper }));
  for await (const question of questions) {
    if (question === QUESTION) {
      tell(JSON.stringify({ clockMs: clock.nowMs() }));
    }
  }
}

function parsed<Value>(schema: z.ZodType<Value>, line: string): Value | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
