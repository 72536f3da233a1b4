import { spawn } from "node:child_process";
import { once } from "node:events";

/** The program's name in the system's log, as Xen's has it. */
const SYSLOG_TAG = "convert-legacy-stream";

/** Where the program tells what it does. */
export interface LegacyLog {
  info(line: string): void;
  error(line: string): void;
  /** Resolves when all has been told. */
  close(): Promise<void>;
}

/** Lines on standard output, errors on standard error. */
export const standardLog: LegacyLog = {
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
 */
export function systemLog(): LegacyLog {
  const levels = { info: startLogger("user.info"), error: startLogger("user.err") };
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

function startLogger(priority: string) {
  const args = ["-t", SYSLOG_TAG, `--id=${process.pid}`, "-p", priority];
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
