import type { ConvertProgress } from "../../migration/convert.ts";
import { formatBytes, formatCount } from "../../report/format.ts";

/** How often the line may be written again (ms). */
const PERIOD_MS = 250;

/** Shows how far the making of an image from another is. */
export interface ByteDisplay {
  readonly update: (progress: ConvertProgress) => void;
  /** Leaves the terminal as it was found. */
  stop(): void;
}

/** One line that is written over and over on a terminal; `undefined` where there is none. */
export function createByteDisplay(stream: NodeJS.WriteStream): ByteDisplay | undefined {
  if (!stream.isTTY) {
    return undefined;
  }
  let toldMs = Number.NEGATIVE_INFINITY;
  return {
    update: ({ bytesRead, bytesWritten, pageEntries }) => {
      const nowMs = performance.now();
      if (nowMs - toldMs >= PERIOD_MS) {
        toldMs = nowMs;
        const [read, written] = [formatBytes(bytesRead), formatBytes(bytesWritten)];
        const entries = formatCount(pageEntries);
        stream.write(`\r${read} read, ${written} written, ${entries} page entries\x1b[K`);
      }
    },
    stop: () => {
      stream.write("\r\x1b[K");
    },
  };
}
