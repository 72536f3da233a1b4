import { mkdirSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { type Clock, systemClock } from "../base/clock.ts";
import { MigrationError } from "../base/errors.ts";
import type { EngineChoice, SelectedEngine } from "../engine/select.ts";
import { selectEngine } from "../engine/select.ts";
import { STANDARD_OUTPUT } from "../transport/line-outlet.ts";
import { createDisplay, type ProgressDisplay, silentDisplay } from "./display/progress.ts";
import { jsonSafe } from "./exit.ts";
import { type Onlooker, together } from "./onlookers/onlooker.ts";

/** Options that every command takes. */
export interface GlobalOptions {
  readonly engine?: string;
  readonly runDir?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** Of the command: events that go to standard output are all that goes there. */
  readonly events?: string;
}

/** What commands share: where guests are, which engine, where to print, when to stop. */
export interface Context {
  readonly clock: Clock;
  /** Folder of the guest registry; exists. */
  readonly runDir: string;
  readonly isJson: boolean;
  /** Columns that text may take: the terminal's, within bounds; 100 where there is none. */
  readonly width: number;
  /** Whether notes and progress are not wanted. */
  readonly isQuiet: boolean;
  /** Aborted by SIGINT and SIGTERM. */
  readonly signal: AbortSignal;
  /** Sees the operations of the command. */
  readonly onlooker: Onlooker;
  /** Engine asked for by `--engine`, else by XENFERRY_ENGINE, else "auto". */
  engine(): SelectedEngine;
  /** Prints one event of a long command on standard output: a line of JSON with `--json`. */
  announce(event: object, text: string): void;
  /** Prints a note that is no result: to standard error, unless `--quiet`. */
  note(line: string): void;
  /** Prints the command's result as JSON, with `--json`; else what `text` returns. */
  result(value: unknown, text: () => string): void;
  /** Progress of long work, on standard error. */
  display(): ProgressDisplay;
}

/** Columns of text. */
const WIDTH_MIN = 80;
const WIDTH_USUAL = 100;
const WIDTH_MAX = 120;

const ENGINE_CHOICES: readonly EngineChoice[] = ["auto", "native", "wasm", "reference"];

/**
 * Makes the context of one command.
 *
 * @throws MigrationError ENGINE_UNKNOWN
 */
export function createContext(options: GlobalOptions, signal: AbortSignal): Context {
  const choice = engineChoice(options.engine ?? process.env.XENFERRY_ENGINE ?? "auto");
  const isJson = options.json === true;
  const isQuiet = options.quiet === true;
  const print = (text: string) => {
    if (options.events !== STANDARD_OUTPUT) {
      process.stdout.write(`${text}\n`);
    }
  };
  return {
    clock: systemClock,
    runDir: prepareRunDir(options.runDir),
    isJson,
    width: Math.min(Math.max(process.stdout.columns ?? WIDTH_USUAL, WIDTH_MIN), WIDTH_MAX),
    isQuiet,
    signal,
    onlooker: together([]),
    engine: () => selectEngine(choice),
    announce: (event, text) => {
      print(isJson ? JSON.stringify(event, jsonSafe) : text);
    },
    note: (line) => {
      if (!isQuiet) {
        process.stderr.write(`${line}\n`);
      }
    },
    result: (value, text) => {
      print(isJson ? JSON.stringify(value, jsonSafe, 2) : text());
    },
    display: () => (isQuiet ? silentDisplay : createDisplay(process.stderr)),
  };
}

function engineChoice(text: string): EngineChoice {
  const choice = ENGINE_CHOICES.find((name) => name === text);
  if (choice === undefined) {
    throw new MigrationError("ENGINE_UNKNOWN", { engine: text, known: ENGINE_CHOICES });
  }
  return choice;
}

/** `--run-dir`, XENFERRY_RUN_DIR, the session's run-time folder, or one of the user's in /tmp. */
function prepareRunDir(asked: string | undefined): string {
  const runDir = asked ?? process.env.XENFERRY_RUN_DIR ?? defaultRunDir();
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  return runDir;
}

function defaultRunDir(): string {
  const session = process.env.XDG_RUNTIME_DIR;
  return session === undefined || session === ""
    ? path.join(os.tmpdir(), `xenferry-${os.userInfo().username}`)
    : path.join(session, "xenferry");
}
