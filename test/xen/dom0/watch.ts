/**
 * Stands between libxl and a save helper, passes everything on, and writes down when progress was
 * reported: `xl migrate` hides that. Run as `node watch.js HELPER FILE HELPER-ARGUMENT ...`.
 *
 * @source tools/libs/light/libxl_save_msgs_gen.pl (progress is message 2).
 */
import { spawn } from "node:child_process";
import { appendFileSync } from "node:fs";

const PROGRESS = 2;
const [helper, file, ...words] = process.argv.slice(2);
/** Descriptors of the stream and, perhaps, back: the second and third of libxl's arguments. */
const fds = words.slice(1, 3).map(Number);
const stdio: ("pipe" | "inherit" | "ignore" | number)[] = ["inherit", "pipe", "inherit"];
for (const fd of fds.filter((number) => number > 2)) {
  while (stdio.length < fd) {
    stdio.push("ignore");
  }
  stdio[fd] = fd;
}

const startMs = performance.now();
const child = spawn(helper!, words, { stdio });
process.on("SIGTERM", () => child.kill("SIGTERM"));

let unread = Buffer.alloc(0);
child.stdout!.on("data", (chunk: Buffer) => {
  process.stdout.write(chunk);
  unread = Buffer.concat([unread, chunk]);
  while (unread.length >= 2 && unread.length >= 2 + unread.readUInt16LE(0)) {
    const body = unread.subarray(2, 2 + unread.readUInt16LE(0));
    unread = unread.subarray(2 + body.length);
    if (body.readUInt16LE(0) === PROGRESS) {
      note(body);
    }
  }
});
child.once("close", (status) => process.exit(status ?? 1));

/** Context and text, each with its length and a final NUL. */
function note(body: Buffer): void {
  const contextBytes = body.readUInt32LE(2);
  const textAt = 10 + contextBytes;
  const text = body.toString("utf8", textAt, textAt + body.readUInt32LE(6 + contextBytes) - 1);
  appendFileSync(file!, `${Math.round(performance.now() - startMs)} ${text}\n`);
}
