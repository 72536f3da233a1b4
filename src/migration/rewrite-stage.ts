import type { StreamEvent } from "../codec/events.ts";
import { PAGE_ALIGNMENT } from "../format/page-alignment.ts";

/** The events of a stream, each valid until the next is asked for. */
export type StreamEvents = AsyncIterable<StreamEvent>;

/** Makes the events of one stream those of another that says the same, but for what it is for. */
export type Stage = (events: StreamEvents) => StreamEvents;

/** Leaves out what aligned page data that is now made anew. */
export async function* dropAlignment(events: StreamEvents): StreamEvents {
  for await (const event of events) {
    const isAlignment = event.kind === "record" && event.type === PAGE_ALIGNMENT;
    if (!isAlignment || event.layer !== "libxc") {
      yield event;
    }
  }
}
