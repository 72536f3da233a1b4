import { rename, rm, stat, writeFile } from "node:fs/promises";
import { MigrationError } from "../base/errors.ts";
import { temporaryBeside } from "./file-sink.ts";

/**
 * Puts `text` in the place of what `file` holds: all at once, by a temporary name beside it. A pipe
 * or device, which there is nothing to put in the place of, is written as it is.
 *
 * @throws MigrationError TRANSPORT_OPEN
 */
export async function replaceFile(file: string, text: string): Promise<void> {
  const stats = await stat(file).catch(() => undefined);
  try {
    await (stats === undefined || stats.isFile() ? replace(file, text) : writeFile(file, text));
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}

async function replace(file: string, text: string): Promise<void> {
  const temporary = temporaryBeside(file);
  try {
    await writeFile(temporary, text);
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
