import { createReadStream } from "node:fs";
import { orInterruption } from "../migration/interruption.ts";
import { type ImageSource, openImage } from "../transport/image-file.ts";
import type { Context } from "./context.ts";

/** Opens the image `file` (`-` is standard input) for `work`, and closes it afterwards. */
export async function withImage(
  file: string | AsyncIterable<Uint8Array>,
  work: (image: ImageSource) => Promise<number>,
): Promise<number> {
  const image = await openImage(file === "-" ? process.stdin : file);
  try {
    return await work(image);
  } finally {
    await image.close();
  }
}

/** What Xen's programs mean by an input: the number of an open descriptor, or a file. */
export function descriptorOrFile(text: string): string | AsyncIterable<Uint8Array> {
  if (!/^\d+$/.test(text)) {
    return text;
  }
  const fd = Number(text);
  return fd === 0 ? "-" : createReadStream("", { fd, autoClose: false });
}

/** Closes the image when the user interrupts, so that a read under way ends too. */
export async function interruptible<Result>(
  { signal }: Pick<Context, "signal">,
  image: ImageSource,
  work: () => Promise<Result>,
): Promise<Result> {
  const giveUp = () => void image.close();
  signal.addEventListener("abort", giveUp);
  try {
    return await work();
  } catch (error) {
    throw orInterruption(signal, error);
  } finally {
    signal.removeEventListener("abort", giveUp);
  }
}
