import type { ByteSink, ByteSource } from "../base/io.ts";
import type { ConvertProgress } from "../migration/convert.ts";
import { orInterruption } from "../migration/interruption.ts";
import { descriptorSink } from "../transport/descriptor-sink.ts";
import { openOutput } from "../transport/file-sink.ts";
import type { Context } from "./context.ts";
import { createByteDisplay } from "./display/bytes.ts";

/** The name of standard input and output. */
export const STANDARD = "-";
const STDOUT_FD = 1;

/** What work on an image writes to, and how it is told of and stopped. */
export interface ImageWriting {
  readonly sink: ByteSink;
  readonly signal: AbortSignal;
  readonly onProgress: ((progress: ConvertProgress) => void) | undefined;
}

/**
 * Has `work` make one image of another: a file, which has its name only once it is complete, or
 * standard output. An interruption closes the source, so that a read under way ends too.
 *
 * @returns the outcome with the octets that were written.
 * @throws what `work` throws; MigrationError TRANSPORT_*, MIGRATION_INTERRUPTED
 */
export async function writeImage<Outcome extends object>(
  context: Pick<Context, "signal" | "isQuiet">,
  { source, output }: { readonly source: ByteSource; readonly output: string },
  work: (writing: ImageWriting) => Promise<Outcome>,
): Promise<Outcome & { readonly bytesWritten: number }> {
  const { signal, isQuiet } = context;
  const sink = output === STANDARD ? descriptorSink(STDOUT_FD) : await openOutput(output);
  const display = isQuiet ? undefined : createByteDisplay(process.stderr);
  const giveUp = () => void source.close();
  signal.addEventListener("abort", giveUp);
  try {
    const outcome = await work({ sink, signal, onProgress: display?.update });
    await sink.end();
    return { ...outcome, bytesWritten: sink.offset };
  } catch (error) {
    await sink.abort();
    throw orInterruption(signal, error);
  } finally {
    signal.removeEventListener("abort", giveUp);
    display?.stop();
  }
}

/** Prints the result of {@link writeImage}: as a note where standard output has the image. */
export function tellOfImage(
  context: Pick<Context, "result" | "note" | "isJson">,
  output: string,
  result: object,
  text: () => string,
): void {
  if (output === STANDARD) {
    context.note(context.isJson ? JSON.stringify(result) : text());
  } else {
    context.result(result, text);
  }
}
