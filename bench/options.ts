import { parseArgs } from "node:util";
import { parseSizeBytes } from "#dist/guest/quantity.js";

const MIB_BYTES = 2 ** 20;

/** What `--help` prints. */
export const USAGE = `usage: npm run bench -- [REGEX] [options]

  --list                     names of the cases, and what each is about
  --repeat N                 measured rounds of whole migrations (5)
  --memory SIZE              memory of their guests (2G)
  --quick                    256M, 2 rounds and 50 ms unless said otherwise: to see that it works
  --peer qemu                measure qemu-system-x86_64 as well, where it is on PATH
  --engine native,wasm,reference
                             engines of the other cases (all that work)
  --time-ms N                how long each of those is timed (300)
  --json FILE                results go here (build/bench/results.json)
  --compare OLD.json [NEW.json]
                             what changed from OLD to NEW, or to what is measured now
  --help
`;

/** The command line. */
export interface BenchOptions {
  readonly action: "help" | "list" | "child" | "compare" | "run";
  /** What is neither an option nor a result file to compare with. */
  readonly words: readonly string[];
  readonly repeats: number;
  readonly memoryBytes: number;
  readonly peer: "qemu" | undefined;
  readonly engines: readonly string[] | undefined;
  readonly timeMs: number;
  readonly resultFile: string;
  /** Result files; the second one may be missing. */
  readonly compare: { readonly oldFile: string; readonly newFile: string | undefined } | undefined;
}

/** Reads the command line. @throws Error for what is not in {@link USAGE} */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      list: { type: "boolean", default: false },
      repeat: { type: "string" },
      memory: { type: "string" },
      quick: { type: "boolean", default: false },
      peer: { type: "string" },
      engine: { type: "string" },
      "time-ms": { type: "string" },
      json: { type: "string", default: "build/bench/results.json" },
      compare: { type: "string" },
      child: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.peer !== undefined && values.peer !== "qemu") {
    throw new Error(`no peer is named '${values.peer}'`);
  }
  const newFile = values.compare === undefined ? undefined : positionals.find(isResultFile);
  return {
    action: actionOf(values, newFile),
    words: positionals.filter((word) => word !== newFile),
    repeats: countOf("repeat", values.repeat ?? (values.quick ? "2" : "5")),
    memoryBytes: sizeOf("memory", values.memory ?? (values.quick ? "256M" : "2G")),
    peer: values.peer,
    engines: values.engine?.split(","),
    timeMs: countOf("time-ms", values["time-ms"] ?? (values.quick ? "50" : "300")),
    resultFile: values.json,
    compare: values.compare === undefined ? undefined : { oldFile: values.compare, newFile },
  };
}

function isResultFile(word: string): boolean {
  return word.endsWith(".json");
}

function actionOf(
  values: { readonly help: boolean; readonly list: boolean; readonly child: boolean },
  newFile: string | undefined,
): BenchOptions["action"] {
  if (values.help) {
    return "help";
  }
  if (values.list) {
    return "list";
  }
  if (values.child) {
    return "child";
  }
  return newFile === undefined ? "run" : "compare";
}

function sizeOf(option: string, text: string): number {
  const sizeBytes = parseSizeBytes(text);
  if (sizeBytes === undefined || sizeBytes === 0 || sizeBytes % MIB_BYTES !== 0) {
    throw new Error(`--${option} must be whole mebibytes, for example 256M, not '${text}'`);
  }
  return sizeBytes;
}

function countOf(option: string, text: string): number {
  const count = Number(text);
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new Error(`--${option} must be a whole number above 0, not '${text}'`);
  }
  return count;
}
