import { Presets, SingleBar } from "cli-progress";

/** How often the bar may be redrawn (a second). */
const BAR_FPS = 12;

/** Shows how far a work of several steps is. */
export interface WorkDisplay {
  /** Another step, or how far it is: of `total` something, which is 0 where it is not known. */
  readonly update: (step: string, done: number, total: number) => void;
  /** Leaves the terminal as it was found. */
  stop(): void;
}

/** Shows nothing. */
export const NO_DISPLAY: WorkDisplay = { update: () => undefined, stop: () => undefined };

/** A bar on a terminal; nothing where there is none. */
export function createWorkDisplay(stream: NodeJS.WriteStream): WorkDisplay {
  if (!stream.isTTY) {
    return NO_DISPLAY;
  }
  const format = "{step} [{bar}] {percentage}%";
  const options = { stream, format, fps: BAR_FPS, hideCursor: true, barsize: 40 };
  const bar = new SingleBar({ ...options, clearOnComplete: true }, Presets.legacy);
  let current = "";
  return {
    update: (step, done, total) => {
      if (current === "") {
        bar.start(total, done, { step });
      } else if (step !== current) {
        bar.setTotal(total);
      }
      current = step;
      bar.update(done, { step });
    },
    stop: () => bar.stop(),
  };
}
