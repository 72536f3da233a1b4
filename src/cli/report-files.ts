import { readFile, stat } from "node:fs/promises";
import { MigrationError } from "../base/errors.ts";
import { formatBytes } from "../report/format.ts";
import {
  parseReportInput,
  REPORT_INPUT_BYTES_MAX,
  type ReportInput,
} from "../report/report-input.ts";

const STANDARD_INPUT = "-";

/**
 * Reads files that reports are made of ('-' is standard input).
 *
 * @throws MigrationError TRANSPORT_OPEN, REPORT_INPUT
 */
export async function readReportInputs(files: readonly string[]): Promise<readonly ReportInput[]> {
  const inputs: ReportInput[] = [];
  for (const file of files) {
    inputs.push(parseReportInput(await readInput(file), file));
  }
  return inputs;
}

/** @throws MigrationError TRANSPORT_OPEN, REPORT_INPUT */
async function readInput(file: string): Promise<string> {
  try {
    const path = file === STANDARD_INPUT ? "/dev/stdin" : file;
    const { size } = await stat(path);
    if (size > REPORT_INPUT_BYTES_MAX) {
      const sizeMax = formatBytes(REPORT_INPUT_BYTES_MAX);
      throw new MigrationError("REPORT_INPUT", { file, size: formatBytes(size), sizeMax });
    }
    return await readFile(path, "utf8");
  } catch (error) {
    throw error instanceof MigrationError
      ? error
      : new MigrationError("TRANSPORT_OPEN", { file }, error);
  }
}
