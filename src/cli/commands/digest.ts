import type { Command } from "commander";
import type { ByteSink } from "../../base/io.ts";
import { encodeDigestFile } from "../../codec/digest-file.ts";
import { digestImage, type ImageDigest } from "../../migration/memory-digest.ts";
import { formatBytes, formatCount, formatMs } from "../../report/format.ts";
import { descriptorSink } from "../../transport/descriptor-sink.ts";
import { openOutput } from "../../transport/file-sink.ts";
import type { ImageSource } from "../../transport/image-file.ts";
import type { Context } from "../context.ts";
import { createWorkDisplay, NO_DISPLAY } from "../display/work.ts";
import { EXIT } from "../exit.ts";
import { interruptible, withImage } from "../image-work.ts";
import type { Registrar } from "../program.ts";

/** The name of standard input and output. */
const STANDARD = "-";
const STDOUT_FD = 1;

/** What a digest's name ends with unless another is given. */
const ENDING = ".digest";

/** xenferry digest. */
export function registerDigest({ program, run }: Registrar): void {
  program
    .command("digest <image>")
    .description(
      "write a checksum of each page in a saved image to a file, for 'verify --digest' ('-' is " +
        "standard input)",
    )
    .option(
      "-o, --output <file>",
      `where to; IMAGE${ENDING} if not said, standard output ('-') for standard input`,
    )
    .action((input: string, flags: { readonly output?: string }, command: Command) =>
      run(command, (context) =>
        withImage(input, (image) => digest(context, { input, image, output: flags.output })),
      ),
    );
}

async function digest(
  context: Context,
  work: {
    readonly input: string;
    readonly image: ImageSource;
    readonly output: string | undefined;
  },
): Promise<number> {
  const { input, image } = work;
  const output = work.output ?? (input === STANDARD ? STANDARD : `${input}${ENDING}`);
  const display = context.isQuiet ? NO_DISPLAY : createWorkDisplay(process.stderr);
  const startMs = context.clock.nowMs();
  try {
    const made = await interruptible(context, image, () => {
      const { engine } = context.engine();
      const onProgress = () => display.update("reading", image.fileOffset, image.fileBytes ?? 0);
      const { signal } = context;
      return digestImage(image, { pageDataHead: engine, engine, signal, onProgress });
    });
    const digestBytes = await write(made, output);
    display.stop();
    const totalMs = context.clock.nowMs() - startMs;
    const { root, bytes, table } = made;
    const frames = table.crcs.length;
    const result = {
      input,
      output,
      root,
      frames,
      runs: table.runs.length,
      bytes,
      digestBytes,
      totalMs,
    };
    const text = () =>
      `${root}\n${formatCount(frames)} frames of ${input} (${formatBytes(bytes)}) in ` +
      `${formatMs(totalMs)}; digest ${output}: ${formatBytes(digestBytes)}`;
    if (output === STANDARD) {
      context.note(context.isJson ? JSON.stringify(result) : text());
    } else {
      context.result(result, text);
    }
    return EXIT.SUCCESS;
  } finally {
    display.stop();
  }
}

/** Returns the octets written. */
async function write({ table }: ImageDigest, output: string): Promise<number> {
  const sink: ByteSink = output === STANDARD ? descriptorSink(STDOUT_FD) : await openOutput(output);
  try {
    await sink.write(...encodeDigestFile(table));
    await sink.end();
    return sink.offset;
  } catch (error) {
    await sink.abort();
    throw error;
  }
}
