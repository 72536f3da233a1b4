import type { LibxlChannel } from "../helper/libxl-channel.ts";
import type { ProgressListener } from "../migration/progress.ts";

/** Tells libxl, in libxc's words, how far a save is. @source xg_sr_save.c */
export function progressTo(channel: LibxlChannel, mode: "live" | "non-live"): ProgressListener {
  return (event) => {
    if (event.kind === "pages") {
      channel.progress({
        context: "xc",
        what: mode === "live" ? `Frames iteration ${event.iteration}` : "Frames",
        done: Math.min(event.pagesDone, event.pagesPlanned),
        total: event.pagesPlanned,
      });
    }
  };
}
