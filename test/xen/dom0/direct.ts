/**
 * A save without libxl: a helper run on a guest that is suspended already, and stays so. What it
 * writes is the libxc stream alone.
 *
 * @source tools/libs/light/libxl_save_msgs_gen.pl (the messages' numbers), libxl_save_callout.c.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";

const SUSPEND = 3;
const SWITCH_QEMU_LOGDIRTY = 7;
const COMPLETE = 10;
const CALLBACKS = (1 << SUSPEND) | (1 << SWITCH_QEMU_LOGDIRTY);
const STREAM_FD = 3;
const BACK_FD = 4;

/** @throws Error where the helper reports a failure, or ends without a report. */
export async function saveSuspended(helper: string, domid: string, file: string): Promise<void> {
  const fds = [openSync(file, "w"), openSync("/dev/null", "r+")] as const;
  const words = [STREAM_FD, BACK_FD, domid, 0, CALLBACKS, 0].map(String);
  const child = spawn(helper, ["--save-domain", ...words], {
    stdio: ["pipe", "pipe", "inherit", ...fds],
  });
  fds.forEach(closeSync);
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  let returned: number | undefined;
  let unread = Buffer.alloc(0);
  for await (const chunk of child.stdout!) {
    unread = Buffer.concat([unread, chunk as Buffer]);
    while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16LE(0)) {
      const body = unread.subarray(2, 2 + unread.readUInt16LE(0));
      unread = unread.subarray(2 + body.length);
      const number = body.readUInt16LE(0);
      if (number === COMPLETE) {
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
    throw new Error(`${helper} returned ${returned}, status ${status}`);
  }
}
