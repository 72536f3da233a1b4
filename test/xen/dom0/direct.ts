/**
 * A save without libxl: a helper run on a guest that is suspended already, and stays so. What it
 * writes is the libxc stream alone.
 *
 * @source tools/libs/light/libxl_save_msgs_gen.pl (the messages' numbers), libxl_save_callout.c.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import type { Helper } from "../matrix.ts";
import type { Commands } from "./xl.ts";

const LOG = 1;
const SUSPEND = 3;
const SWITCH_QEMU_LOGDIRTY = 7;
const COMPLETE = 10;
const CALLBACKS = (1 << SUSPEND) | (1 << SWITCH_QEMU_LOGDIRTY);
/** Of xentoollog. */
const WARNING_LEVEL = 7;
const STREAM_FD = 3;
const BACK_FD = 4;

export interface DirectSave {
  readonly helper: Helper;
  readonly domid: string;
  readonly file: string;
}

/** @throws Error where the helper reports a failure, or ends without a report. */
export async function saveSuspended(
  commands: Commands,
  { helper, domid, file }: DirectSave,
): Promise<void> {
  const { program, env } = commands.helperProgram(helper);
  const log = openSync(commands.logFile(`direct-save-${helper}.txt`), "a");
  const fds = [openSync(file, "w"), openSync("/dev/null", "r+")] as const;
  const words = [STREAM_FD, BACK_FD, domid, 0, CALLBACKS, 0].map(String);
  const child = spawn(program, ["--save-domain", ...words], {
    stdio: ["pipe", "pipe", log, ...fds],
    env,
  });
  for (const fd of [log, ...fds]) {
    closeSync(fd);
  }
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const said: string[] = [];
  let returned: number | undefined;
  let unread = Buffer.alloc(0);
  for await (const chunk of child.stdout!) {
    unread = Buffer.concat([unread, chunk as Buffer]);
    while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16LE(0)) {
      const body = unread.subarray(2, 2 + unread.readUInt16LE(0));
      unread = unread.subarray(2 + body.length);
      const number = body.readUInt16LE(0);
      if (number === LOG && body.readUInt32LE(2) >= WARNING_LEVEL) {
        said.push(messageOf(body));
      } else if (number === COMPLETE) {
        returned = body.readInt32LE(2);
      }
      if (number === SUSPEND || number === SWITCH_QEMU_LOGDIRTY || number === COMPLETE) {
        const answer = Buffer.alloc(4);
        answer.writeInt32LE(number === SUSPEND ? 1 : 0);
        child.stdin!.write(answer);
      }
    }
  }
  const status = await exit;
  if (returned !== 0 || status !== 0) {
    throw new Error(
      `${program} returned ${returned}, status ${status}; it said: ${said.join(" | ")}`,
    );
  }
}

/** The text of a log message: level, errno, then context and text with their lengths. */
function messageOf(body: Buffer): string {
  const contextBytes = body.readUInt32LE(10);
  return body.toString("utf8", 18 + contextBytes, body.length - 1);
}
