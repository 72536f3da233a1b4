import type { RecordEvent, StreamEvent } from "../codec/events.ts";
import { IMAGE_VERSION_MAX, LIBXC_RECORD } from "../format/libxc.ts";

/**
 * Turns the events of a stream with libxc's version 2 into those of the same in version 3, which
 * says where static data ends instead of leaving it to be inferred. Version 3 passes unchanged.
 *
 * @source libxc-migration-stream.pandoc, "v3 compat with v2"
 */
export class StreamUpgrade {
  #version: number | undefined;
  #hasStaticDataEnd = false;

  /** Of the stream as it came; `undefined` before its header. */
  get version(): number | undefined {
    return this.#version;
  }

  /** Takes the next event and gives what stands for it. */
  take(event: StreamEvent): readonly StreamEvent[] {
    if (event.kind === "image-header") {
      this.#version = event.header.version;
      return [{ ...event, header: { ...event.header, version: IMAGE_VERSION_MAX } }];
    }
    if (event.kind === "record" && event.layer === "libxc") {
      return this.#takeRecord(event);
    }
    return [event];
  }

  /** A stream without memory has nothing to infer from but its end. */
  #takeRecord(event: RecordEvent): readonly StreamEvent[] {
    if (event.type === LIBXC_RECORD.STATIC_DATA_END) {
      this.#hasStaticDataEnd = true;
      return [{ ...event, isInferred: false }];
    }
    const isUnsaid = event.type === LIBXC_RECORD.END && !this.#hasStaticDataEnd;
    return isUnsaid && this.#version !== IMAGE_VERSION_MAX
      ? [staticDataEndBefore(event), event]
      : [event];
  }
}

function staticDataEndBefore(event: RecordEvent): RecordEvent {
  const nothing = new Uint8Array(0);
  return {
    ...event,
    type: LIBXC_RECORD.STATIC_DATA_END,
    name: "STATIC_DATA_END",
    body: nothing,
    padding: nothing,
  };
}
