import { MigrationError } from "../base/errors.ts";
import type { RecordEvent, StreamEvent, TrailingEvent } from "../codec/events.ts";
import { madeRecord } from "../codec/made-events.ts";
import { LIBXC_RECORD } from "../format/libxc.ts";
import { LIBXL_RECORD } from "../format/libxl.ts";
import { PAGE_ALIGNMENT } from "../format/page-alignment.ts";
import type { RandomAccess } from "../transport/image-file.ts";
import { FoldedMemory } from "./folded-memory.ts";
import { HeldRecords } from "./held-records.ts";
import type { StreamEvents } from "./rewrite-stage.ts";
import { Trailing } from "./trailing.ts";

/** How a stream is folded. */
export interface FoldOptions {
  /** Where the events' pages can be read again; without it they go to a temporary file. */
  readonly image: RandomAccess | undefined;
  /** Told what ended the reading, where a whole checkpoint stands for the end of the stream. */
  readonly onDiscarded: (error: MigrationError) => void;
}

/**
 * Makes a stream what a save of the suspended guest would have been: each frame once, with its last
 * page, in rising order; nothing that was sent to be compared; no checkpoints, of which the last
 * whole one is the guest; no hand-shake of a migration behind it.
 *
 * Memory goes with the frames, 30 to 90 octets each.
 *
 * @throws MigrationError PAGE_DATA_* of one that cannot be read; CHECKPOINT_TOO_LONG; TRANSPORT_*
 */
export async function* foldStream(events: StreamEvents, options: FoldOptions): StreamEvents {
  const fold = new StreamFold(options);
  try {
    yield* fold.run(events);
  } finally {
    await fold.close();
  }
}

class StreamFold {
  readonly #options: FoldOptions;
  readonly #memory: FoldedMemory;
  readonly #records = new HeldRecords();
  readonly #trailing = new Trailing();
  /** `memory` from the first page on, `after` from libxc's END on. */
  #phase: "before" | "memory" | "after" = "before";
  #isVerifying = false;
  #hasLibxl = false;
  #hasWholeCheckpoint = false;
  #heldTrailing: TrailingEvent[] = [];
  #fault: MigrationError | undefined;

  constructor(options: FoldOptions) {
    this.#options = options;
    this.#memory = new FoldedMemory(options.image);
  }

  async *run(events: StreamEvents): StreamEvents {
    try {
      for await (const event of events) {
        yield* this.#take(event);
      }
    } catch (error) {
      if (!this.#canEndAtCheckpoint(error)) {
        throw error;
      }
      this.#options.onDiscarded(error);
      yield* this.#endAtCheckpoint(error);
    }
    yield* this.#trailing.sentence === undefined ? this.#heldTrailing : [];
  }

  async close(): Promise<void> {
    await this.#memory.close();
  }

  async *#take(event: StreamEvent): StreamEvents {
    this.#hasLibxl ||= event.kind === "libxl-header";
    this.#phase = this.#phase === "before" && isMemory(event) ? "memory" : this.#phase;
    if (event.kind === "fault") {
      this.#fault = event.error;
      yield event;
    } else if (event.kind === "page-data") {
      await (!this.#isVerifying && this.#memory.take(event));
    } else if (event.kind === "trailing") {
      this.#trailing.take(event);
      this.#heldTrailing.push({ ...event, bytes: event.bytes.slice() });
      yield* this.#longTrailing();
    } else if (event.kind === "record" && this.#phase !== "before") {
      yield* event.layer === "libxc" ? this.#takeLibxc(event) : this.#takeLibxl(event);
    } else if (event.kind !== "layer" || this.#phase !== "memory") {
      yield event;
    }
  }

  async *#takeLibxc(record: RecordEvent): StreamEvents {
    switch (record.type) {
      case LIBXC_RECORD.END:
        this.#phase = "after";
        this.#memory.commit();
        this.#records.commit();
        yield* this.#memoryAndState(record);
        return;
      case LIBXC_RECORD.VERIFY:
        this.#isVerifying = true;
        return;
      case LIBXC_RECORD.CHECKPOINT:
        if (!this.#hasLibxl) {
          this.#commitCheckpoint();
        }
        return;
      case PAGE_ALIGNMENT:
        return;
      case LIBXC_RECORD.PAGE_DATA:
        throw this.#fault ?? new MigrationError("PAGE_DATA_LENGTH", { offset: record.offset });
      default:
        this.#records.take(record);
    }
  }

  async *#takeLibxl(record: RecordEvent): StreamEvents {
    switch (record.type) {
      case LIBXL_RECORD.END:
        this.#records.commit();
        yield* [...this.#records.of("libxl"), record];
        return;
      case LIBXL_RECORD.CHECKPOINT_END:
        this.#commitCheckpoint();
        return;
      case LIBXL_RECORD.CHECKPOINT_STATE:
        return;
      default:
        this.#records.take(record);
    }
  }

  #commitCheckpoint(): void {
    this.#hasWholeCheckpoint = true;
    this.#memory.commit();
    this.#records.commit();
  }

  /** What stands before libxc's END, and that. */
  async *#memoryAndState(end: RecordEvent): StreamEvents {
    yield* this.#memory.records(end.offset, end.byteOrder);
    yield* [...this.#records.of("libxc"), end];
  }

  #canEndAtCheckpoint(error: unknown): error is MigrationError {
    const isCut = error instanceof MigrationError && error.code === "STREAM_TRUNCATED";
    return isCut && this.#hasWholeCheckpoint && this.#phase === "memory";
  }

  /** The sender was gone before the next checkpoint was whole. */
  async *#endAtCheckpoint({ where }: MigrationError): StreamEvents {
    this.#phase = "after";
    const offset = typeof where.offset === "number" ? where.offset : 0;
    const body = new Uint8Array(0);
    const { byteOrder } = this.#records;
    const libxcEnd = { layer: "libxc", type: LIBXC_RECORD.END, body, byteOrder } as const;
    this.#records.discard();
    yield* this.#memoryAndState(madeRecord(libxcEnd, offset));
    if (this.#hasLibxl) {
      yield { kind: "layer", layer: "libxl", offset };
      const libxlEnd = { layer: "libxl", type: LIBXL_RECORD.END, body, byteOrder } as const;
      yield* [...this.#records.of("libxl"), madeRecord(libxlEnd, offset)];
    }
    yield { kind: "end", offset };
  }

  /** What is longer than any hand-shake need not wait for the end. */
  *#longTrailing(): Generator<StreamEvent, void, undefined> {
    if (this.#trailing.byteCount > TRAILING_HELD_BYTES) {
      yield* this.#heldTrailing;
      this.#heldTrailing = [];
    }
  }
}

/** More than any sentence has. */
const TRAILING_HELD_BYTES = 256;

/** Whether memory or a checkpoint comes: what follows is held until the memory is whole. */
function isMemory(event: StreamEvent): boolean {
  const isLibxc = event.kind === "record" && event.layer === "libxc";
  const types: readonly number[] = [LIBXC_RECORD.PAGE_DATA, LIBXC_RECORD.CHECKPOINT];
  return event.kind === "page-data" || (isLibxc && types.includes(event.type));
}
