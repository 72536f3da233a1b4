import { spawn } from "node:child_process";
import { once } from "node:events";

/** Where a program that stands in for one of Xen's tells what it does. */
export interface ProgramLog {
  info(line: string): void;
  error(line: string): void;
  /** Resolves when all has been told. */
  close(): Promise<void>;
}

/** Lines on standard output, errors on standard error. */
export const standardLog: ProgramLog = {
  info: (line) => {
    process.stdout.write(`${line}\n`);
  },
  error: (line) => {
    process.stderr.write(`${line}\n`);
  },
  close: async () => {},
};

/**
 * Lines in the system's log, by the program `logger`; errors on standard error, too. Without that
 * program all goes there.
 *
 * @param tag the program's name there.
 */
export function systemLog(tag: string): ProgramLog {
  const levels = { info: startLogger(tag, "user.info"), error: startLogger(tag, "user.err") };
  return {
    info: (line) => levels.info.write(line),
    error: (line) => {
      levels.error.write(line);
      process.stderr.write(`${line}\n`);
    },
    close: async () => {
      await Promise.all([levels.info.close(), levels.error.close()]);
    },
  };
}

function startLogger(tag: string, priority: string) {
  const args = ["-t", tag, `--id=${process.pid}`, "-p", priority];
  const child = spawn("logger", args, { stdio: ["pipe", "ignore", "ignore"] });
  const ended = once(child, "close").catch(() => undefined);
  let isMissing = false;
  child.on("error", () => {
    isMissing = true;
  });
  child.stdin.on("error", () => undefined);
  return {
    write: (line: string) => {
      if (isMissing) {
        process.stderr.write(`${line}\n`);
      } else {
        child.stdin.write(`${line}\n`);
      }
    },
    close: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
