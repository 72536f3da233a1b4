import type { ErrorCode } from "../base/errors.ts";
import { GUEST_TYPE } from "../format/libxc.ts";
import { LIBXL_RECORD } from "../format/libxl.ts";
import type { RecordEvent } from "./events.ts";
import type { Breach } from "./order.ts";
import type { Layer } from "./steps.ts";

/**
 * The order of libxl's records.
 *
 *   start           LIBXC_CONTEXT -> libxc
 *   libxc           CHECKPOINT -> checkpoint; END -> after
 *   checkpoint      CHECKPOINT_END -> between
 *   between         CHECKPOINT_STATE -> between; libxc's records -> libxc
 *   after           END
 *
 * @source libxl-migration-stream.pandoc; libxl_stream_read.c process_record
 */
export class LibxlOrder {
  /** As libxc's domain header says, once it has come. */
  guestType: number | undefined;
  #phase: "start" | "libxc" | "checkpoint" | "between" | "after" = "start";

  /** Follows the reader from one layer to the other. */
  enter(layer: Layer, isAtCheckpoint: boolean): void {
    if (layer === "libxc") {
      this.#phase = "libxc";
    } else if (layer === "libxl") {
      this.#phase = isAtCheckpoint ? "checkpoint" : "after";
    }
  }

  /** Takes a libxl record and returns what it breaks. */
  check(event: RecordEvent): readonly Breach[] {
    const tell = (code: ErrorCode, other?: string): readonly Breach[] => {
      const { offset, layer, name } = event;
      return [{ code, severity: "refused", facts: { offset, layer, record: name, other } }];
    };
    switch (event.type) {
      case LIBXL_RECORD.END:
        return this.#checkEnd(tell);
      case LIBXL_RECORD.LIBXC_CONTEXT:
        return this.#checkContext(tell);
      case LIBXL_RECORD.EMULATOR_XENSTORE_DATA:
      case LIBXL_RECORD.EMULATOR_CONTEXT:
        return this.guestType === GUEST_TYPE.X86_PV ? tell("RECORD_GUEST_TYPE") : [];
      case LIBXL_RECORD.CHECKPOINT_END:
        if (this.#phase !== "checkpoint") {
          return tell("ORDER_CHECKPOINT");
        }
        this.#phase = "between";
        return [];
      case LIBXL_RECORD.CHECKPOINT_STATE:
        return this.#phase === "between" ? [] : tell("ORDER_CHECKPOINT");
      default:
        return [];
    }
  }

  #checkEnd(tell: Tell): readonly Breach[] {
    if (this.#phase === "checkpoint") {
      return tell("ORDER_CHECKPOINT");
    }
    return this.#phase === "start" ? tell("ORDER_MISSING", "LIBXC_CONTEXT") : [];
  }

  #checkContext(tell: Tell): readonly Breach[] {
    if (this.#phase === "checkpoint") {
      return tell("ORDER_CHECKPOINT");
    }
    return this.#phase === "start" ? [] : tell("ORDER_REPEATED");
  }
}

type Tell = (code: ErrorCode, other?: string) => readonly Breach[];
