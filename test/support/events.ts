import type { StreamEvent } from "../../src/codec/events.ts";
import { pullEvents } from "../../src/codec/pull.ts";
import { PushReader } from "../../src/codec/push.ts";
import type { ReaderOptions } from "../../src/codec/steps.ts";
import { StreamEncoder } from "../../src/codec/stream-writer.ts";
import { join } from "./bytes.ts";
import { plainHeadCodec } from "./head-codec.ts";
import { chunksOf, sourceOf } from "./sources.ts";

/** A copy that stays valid: an event's arrays do not. */
export function copyEvent(event: StreamEvent): StreamEvent {
  return event.kind === "fault" ? event : structuredClone(event);
}

/** All events of a stream that is pulled from chunks of the given sizes. */
export async function collectEvents(
  bytes: Uint8Array,
  options: ReaderOptions = {},
  nextSize?: () => number,
): Promise<StreamEvent[]> {
  const events: StreamEvent[] = [];
  for await (const event of pullEvents(sourceOf(bytes, nextSize), plainHeadCodec, options)) {
    events.push(copyEvent(event));
  }
  return events;
}

/** All events of a stream that is pushed in chunks of the given sizes. */
export function pushEvents(
  bytes: Uint8Array,
  options: ReaderOptions = {},
  nextSize: () => number = () => bytes.length,
): StreamEvent[] {
  const events: StreamEvent[] = [];
  const onEvent = (event: StreamEvent) => events.push(copyEvent(event));
  const reader = new PushReader(plainHeadCodec, onEvent, options);
  for (const chunk of chunksOf(bytes, nextSize)) {
    reader.write(chunk);
  }
  reader.end();
  return events;
}

/** Decodes and encodes a stream to its very end. */
export async function encodeAll(bytes: Uint8Array): Promise<Uint8Array> {
  const encoder = new StreamEncoder(plainHeadCodec);
  const chunks: Uint8Array[] = [];
  const options = { purpose: "inspect", afterEnd: "read" } as const;
  for await (const event of pullEvents(sourceOf(bytes), plainHeadCodec, options)) {
    chunks.push(...encoder.encode(event).map((chunk) => chunk.slice()));
  }
  return join(...chunks);
}
