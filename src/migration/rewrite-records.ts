import type { RecordEvent } from "../codec/events.ts";
import { madeRecord } from "../codec/made-events.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import type { StreamEvents } from "./rewrite-stage.ts";
import { StreamUpgrade } from "./upgrade.ts";

/** An optional record to add. */
export interface AddedRecord {
  /** From 0x80000000 on. */
  readonly type: number;
  readonly body: Uint8Array;
}

/** Leaves out optional records, of both layers, known or not. */
export async function* dropOptional(events: StreamEvents): StreamEvents {
  for await (const event of events) {
    if (event.kind !== "record" || !event.isOptional) {
      yield event;
    }
  }
}

/** Adds optional records to libxc's stream, before its END. */
export async function* addOptional(
  events: StreamEvents,
  records: readonly AddedRecord[],
): StreamEvents {
  for await (const event of events) {
    if (event.kind === "record" && isLibxcEnd(event)) {
      const { offset, byteOrder } = event;
      const drafts = records.map((record) => ({ layer: "libxc", byteOrder, ...record }) as const);
      yield* drafts.map((draft) => madeRecord(draft, offset));
    }
    yield event;
  }
}

/** Turns libxc's version 2 into version 3. */
export async function* upgradeVersion(events: StreamEvents): StreamEvents {
  const upgrade = new StreamUpgrade();
  for await (const event of events) {
    yield* upgrade.take(event);
  }
}

function isLibxcEnd({ layer, type }: RecordEvent): boolean {
  return layer === "libxc" && type === LIBXC_RECORD.END;
}
