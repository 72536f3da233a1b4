import path from "node:path";
import { pathToFileURL } from "node:url";
import { MigrationError } from "../base/errors.ts";
import type {
  PolicyOptions,
  PrecopyDecision,
  PrecopyPolicy,
  PrecopyStatistics,
} from "../model/policy.ts";

/**
 * What a module of the user's own exports by default: a policy, or a function that makes one of
 * what the command line says. `decide` is called in the migration's own thread: it returns at once.
 */
export type PolicyModule = PrecopyPolicy | ((options: PolicyOptions) => PrecopyPolicy);

const ACTIONS: readonly string[] = ["continue", "stop-and-copy", "abort"];

/** Characters of a name, and of a reason, that are kept. */
const NAME_LENGTH_MAX = 100;
const REASON_LENGTH_MAX = 500;

/**
 * Loads a policy from a module's file. What it then returns or throws is checked at each decision.
 *
 * @param file relative to the current folder.
 * @throws MigrationError POLICY_MODULE, POLICY_EXPORT, POLICY_THROWN
 */
export async function loadPolicyModule(
  file: string,
  options: PolicyOptions,
): Promise<PrecopyPolicy> {
  const exported = await importDefault(file);
  return guarded(file, typeof exported === "function" ? made(file, exported, options) : exported);
}

async function importDefault(file: string): Promise<unknown> {
  const url = pathToFileURL(path.resolve(file)).href;
  try {
    const module: Readonly<Record<string, unknown>> = await import(url);
    return module.default;
  } catch (error) {
    throw new MigrationError("POLICY_MODULE", { file, reason: textOf(error) }, error);
  }
}

function made(file: string, make: CallableFunction, options: PolicyOptions): unknown {
  try {
    return make(options);
  } catch (error) {
    throw new MigrationError("POLICY_THROWN", { file, reason: textOf(error) }, error);
  }
}

/** A policy that keeps to the contract, or says how `candidate` does not. */
function guarded(file: string, candidate: unknown): PrecopyPolicy {
  if (!isObject(candidate)) {
    throw new MigrationError("POLICY_EXPORT", { file, exported: typeof candidate });
  }
  const { name, parameters, decide } = candidate;
  if (typeof name !== "string" || name === "" || name.length > NAME_LENGTH_MAX) {
    throw new MigrationError("POLICY_EXPORT", { file, missing: "name" });
  }
  if (typeof decide !== "function") {
    throw new MigrationError("POLICY_EXPORT", { file, missing: "decide" });
  }
  return {
    name,
    parameters: numbersOf(file, parameters),
    decide: (statistics) => checked(file, called(file, candidate, decide, statistics)),
  };
}

function numbersOf(file: string, parameters: unknown): Readonly<Record<string, number>> {
  const entries = isObject(parameters) ? Object.entries(parameters) : [];
  const numbers = entries.filter((entry): entry is [string, number] => Number.isFinite(entry[1]));
  if ((parameters !== undefined && !isObject(parameters)) || numbers.length < entries.length) {
    throw new MigrationError("POLICY_EXPORT", { file, wrong: "parameters: numbers by name" });
  }
  return Object.fromEntries(numbers);
}

function called(
  file: string,
  policy: object,
  decide: CallableFunction,
  statistics: PrecopyStatistics,
): unknown {
  try {
    return Reflect.apply(decide, policy, [frozen(statistics)]);
  } catch (error) {
    throw new MigrationError("POLICY_THROWN", { file, reason: textOf(error) }, error);
  }
}

/** What the migration keeps is not the module's to change. */
function frozen(statistics: PrecopyStatistics): PrecopyStatistics {
  const iterations = Object.freeze(statistics.iterations.map((entry) => Object.freeze(entry)));
  return Object.freeze({ ...statistics, iterations });
}

function checked(file: string, decision: unknown): PrecopyDecision {
  if (!isObject(decision)) {
    throw new MigrationError("POLICY_DECISION", { file, returned: typeof decision });
  }
  const { action, reason } = decision;
  if (!isAction(action)) {
    throw new MigrationError("POLICY_DECISION", {
      file,
      action: typeof action === "string" ? action : typeof action,
    });
  }
  if (typeof reason !== "string" || reason === "") {
    throw new MigrationError("POLICY_DECISION", { file, reason: typeof reason });
  }
  return { action, reason: reason.slice(0, REASON_LENGTH_MAX) };
}

function isAction(value: unknown): value is PrecopyDecision["action"] {
  return typeof value === "string" && ACTIONS.includes(value);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
