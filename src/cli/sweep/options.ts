import { type Command, InvalidArgumentError } from "commander";
import { PAGE_BYTES } from "../../base/units.ts";
import { parseSizeBytes } from "../../guest/quantity.ts";
import { isPolicyName, POLICY_NAMES } from "../../model/policies/choose.ts";
import type { SweepCell } from "../../report/sweep-result.ts";

/** Options of bench, as commander leaves them. */
export interface BenchOptions {
  readonly dirty?: readonly number[];
  readonly pattern?: readonly SweepCell["pattern"][];
  readonly memory?: readonly number[];
  readonly link?: readonly number[];
  readonly policy?: readonly string[];
  readonly downtime?: readonly number[];
  readonly engines?: readonly string[];
  readonly kind: "process" | "synthetic";
  readonly guest?: string;
  readonly rounds: number;
  readonly warmUp: number;
  readonly timeout: number;
  readonly output: string;
  readonly csv?: string;
  readonly html?: string;
  readonly compare?: readonly string[];
  readonly anew?: boolean;
  readonly list?: boolean;
}

const ROUNDS_USUAL = 5;
const ROUNDS_MAX = 1000;
const WARM_UP_MAX = 10;
const TIMEOUT_S_USUAL = 300;
const PATTERNS = ["sequential", "uniform", "zipf"] as const;
const ENGINES = ["native", "wasm", "reference"] as const;

/** Adds the options to a command; lists are separated by commas. */
export function addBenchOptions(command: Command): Command {
  return command
    .option("--dirty <rates>", "dirty rates, as 0,50M,20000p, in place of the scenarios'", rates)
    .option("--pattern <names>", `patterns of writing: ${PATTERNS.join(", ")}`, oneOf(PATTERNS))
    .option("--memory <sizes>", "memory of the guest, as 128M,1G", sizes)
    .option("--link <rates>", "limits of the link in octets a second, as 117M,0; 0 is none", links)
    .option("--policy <names>", `policies: ${POLICY_NAMES.join(", ")}`, policies)
    .option("--downtime <ms>", "downtime targets", numbers)
    .option("--engines <names>", `page engines: ${ENGINES.join(", ")}`, oneOf(ENGINES))
    .option("--kind <kind>", "kind of guest: process or synthetic", kindOf, "process")
    .option("--guest <name>", "a domain of Xen: not yet; see below")
    .option("--rounds <n>", "migrations of each cell that count", upTo(1, ROUNDS_MAX), ROUNDS_USUAL)
    .option("--warm-up <n>", "migrations of each cell before those", upTo(0, WARM_UP_MAX), 1)
    .option("--timeout <s>", "longest time of a migration", upTo(1, 86_400), TIMEOUT_S_USUAL)
    .option("-o, --output <file>", "the results (JSON)", "xenferry-bench.json")
    .option("--csv <file>", "the runs as CSV besides")
    .option("--html <file>", "a report of the results besides")
    .option("--compare <files...>", "say what changed between two results, and measure nothing")
    .option("--anew", "forget results that are there already")
    .option("--list", "print the cells, and measure nothing");
}

function parts(text: string): readonly string[] {
  return text.split(",").map((part) => part.trim());
}

/** Page stores a second: "20000p", or octets as in "50M". */
function rates(text: string): readonly number[] {
  return parts(text).map((part) => {
    if (/^[0-9]+p$/.test(part)) {
      return Number.parseInt(part, 10);
    }
    return Math.round(needed(parseSizeBytes(part), "rates, as 0,50M,20000p") / PAGE_BYTES);
  });
}

function sizes(text: string): readonly number[] {
  return parts(text).map((part) => {
    const bytes = parseSizeBytes(part);
    const isWhole = bytes !== undefined && bytes > 0 && bytes % PAGE_BYTES === 0;
    return needed(isWhole ? bytes : undefined, "sizes of whole pages, as 128M,1G");
  });
}

function links(text: string): readonly number[] {
  return parts(text).map((part) => needed(parseSizeBytes(part), "octets a second, as 117M,0"));
}

function numbers(text: string): readonly number[] {
  return parts(text).map((part) => {
    const value = Number(part);
    const isPositive = part !== "" && Number.isFinite(value) && value > 0;
    return needed(isPositive ? value : undefined, "numbers above 0");
  });
}

function policies(text: string): readonly string[] {
  return parts(text).map((part) => {
    if (!isPolicyName(part)) {
      throw new InvalidArgumentError(`policies are ${POLICY_NAMES.join(", ")}`);
    }
    return part;
  });
}

function oneOf<Name extends string>(names: readonly Name[]) {
  return (text: string): readonly Name[] =>
    parts(text).map((part) => {
      const name = names.find((candidate) => candidate === part);
      if (name === undefined) {
        throw new InvalidArgumentError(`there are ${names.join(", ")}`);
      }
      return name;
    });
}

function kindOf(text: string): "process" | "synthetic" {
  if (text !== "process" && text !== "synthetic") {
    throw new InvalidArgumentError("process or synthetic");
  }
  return text;
}

function upTo(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`a whole number from ${least} to ${most} is needed`);
    }
    return value;
  };
}

function needed(value: number | undefined, what: string): number {
  if (value === undefined) {
    throw new InvalidArgumentError(`${what}, are needed`);
  }
  return value;
}
