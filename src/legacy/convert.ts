import { unreachable } from "../base/assert.ts";
import type { MigrationError } from "../base/errors.ts";
import { encodeP2mFrames, encodeTscInfo } from "../codec/bodies.ts";
import type { StreamEvent, XlHeaderEvent } from "../codec/events.ts";
import { domainHeader, imageHeader, libxlHeader } from "../codec/headers.ts";
import { madePageData, madeRecord, type RecordDraft } from "../codec/made-events.ts";
import { CONVERTED_XEN } from "../format/legacy.ts";
import { GUEST_TYPE } from "../format/libxc.ts";
import { LIBXL_OPT_LEGACY_MASK } from "../format/libxl.ts";
import { XL_MANDATORY_STREAM_V2_MASK } from "../format/xl.ts";
import { CheckpointPages, type PageKeeper } from "./checkpoint-pages.ts";
import type {
  LegacyCheckpointEvent,
  LegacyEvent,
  LegacyHead,
  LegacyPagesEvent,
  LegacyPvEvent,
  LegacyStartEvent,
  LegacyTscEvent,
} from "./events.ts";
import {
  emulatorRecords,
  libxcRecord,
  libxlRecord,
  paramsRecords,
  pvInfoRecord,
  tailRecords,
} from "./records.ts";

/** How a legacy stream is converted. */
export interface LegacyConvertOptions {
  /** `libxc`: without libxl's stream around it, and the device model's state as it was. */
  readonly format: "libxl" | "libxc";
  /** xl's header in front of the stream; `undefined` for none. */
  readonly xl: XlHeaderEvent | undefined;
  /** Where the legacy stream starts. */
  readonly offset: number;
  /** Makes room for the pages of a checkpoint after the first. */
  readonly keepPages: () => Promise<PageKeeper>;
  /** Told of each event of the legacy stream before it is converted. */
  readonly onEvent?: ((event: LegacyEvent) => void) | undefined;
}

/** What was converted, for a summary. */
export interface LegacySummary extends LegacyHead {
  /** Complete checkpoints; the stream is of the last. */
  readonly checkpoints: number;
  /** Why what followed the last of them was left out; `undefined` if nothing did. */
  readonly discarded: { readonly offset: number; readonly error: MigrationError } | undefined;
}

/**
 * Turns what the reader of a legacy stream found into what a reader of the converted stream would
 * find: version 3 of libxc's. Offsets are those of the legacy stream.
 *
 * Pages of the first checkpoint pass through; those of later ones wait until their checkpoint is
 * complete. State comes once, behind all pages, and is the last complete checkpoint's.
 *
 * What an event refers to is valid until the next one.
 *
 * @throws MigrationError what the reader, and the keeper of pages, throw
 * @source libxc-migration-stream.pandoc; libxl-migration-stream.pandoc; for what they leave open,
 *   tools/python/scripts/convert-legacy-stream
 */
export async function* convertLegacy(
  events: AsyncIterable<LegacyEvent>,
  options: LegacyConvertOptions,
): AsyncGenerator<StreamEvent, LegacySummary, undefined> {
  const conversion = new Conversion(options);
  try {
    yield* conversion.begin();
    for await (const event of events) {
      options.onEvent?.(event);
      yield* conversion.take(event);
    }
    yield* conversion.finish();
    return conversion.summary;
  } finally {
    await conversion.close();
  }
}

class Conversion {
  readonly #options: LegacyConvertOptions;
  #head: LegacyHead | undefined;
  #checkpoints = 0;
  #state: LegacyCheckpointEvent | undefined;
  #discarded: LegacySummary["discarded"];
  /** Of a checkpoint after the first. */
  #later: CheckpointPages | undefined;

  constructor(options: LegacyConvertOptions) {
    this.#options = options;
  }

  get summary(): LegacySummary {
    const { width, guest, pfnCount, isFromXend } = this.#head!;
    const checkpoints = this.#checkpoints;
    return { width, guest, pfnCount, isFromXend, checkpoints, discarded: this.#discarded };
  }

  /**
   * Writes what does not depend on the stream, before any of it is looked at: a libxl that gets
   * nothing at all from its converter takes zeros for the header, and fails badly (seen of 4.17).
   */
  *begin(): Generator<StreamEvent, void, undefined> {
    const { xl, format, offset } = this.#options;
    if (xl !== undefined) {
      yield format === "libxl" ? withStreamV2(xl) : xl;
    }
    if (format === "libxl") {
      yield { kind: "libxl-header", offset, header: libxlHeader(LIBXL_OPT_LEGACY_MASK) };
      yield madeRecord(libxlRecord("LIBXC_CONTEXT"), offset);
      yield { kind: "layer", layer: "libxc", offset };
    }
  }

  async *take(event: LegacyEvent): AsyncGenerator<StreamEvent, void, undefined> {
    switch (event.kind) {
      case "start":
        this.#head = event;
        yield* this.#beginLibxc(event);
        return;
      case "pv":
        yield* this.#beginPv(event);
        return;
      case "chunk":
        return;
      case "pages":
      case "tsc":
        yield* this.#takePages(event);
        return;
      case "checkpoint":
        this.#checkpoints++;
        this.#state = event;
        yield* this.#bringBack();
        return;
      case "discarded":
        this.#discarded = event;
        return;
      default:
        unreachable(event);
    }
  }

  /** Writes the state of the last complete checkpoint. */
  *finish(): Generator<StreamEvent, void, undefined> {
    const { params, tail, physmap, offset } = this.#state!;
    const drafts = [...paramsRecords(params), ...tailRecords(tail), libxcRecord("END")];
    yield* eventsOf(drafts, offset);
    if (this.#options.format === "libxl") {
      yield { kind: "layer", layer: "libxl", offset };
      yield* eventsOf([...emulatorRecords(tail, physmap), libxlRecord("END")], offset);
    }
    yield { kind: "end", offset };
    if (this.#options.format === "libxc" && tail.guest === "hvm" && tail.emulator !== undefined) {
      yield { kind: "trailing", offset, bytes: tail.emulator.head };
      yield { kind: "trailing", offset, bytes: tail.emulator.state };
    }
  }

  async close(): Promise<void> {
    await this.#later?.close();
  }

  *#beginLibxc(event: LegacyStartEvent): Generator<StreamEvent, void, undefined> {
    const { guest, offset } = event;
    const { major, minor } = CONVERTED_XEN;
    const guestType = guest === "pv" ? GUEST_TYPE.X86_PV : GUEST_TYPE.X86_HVM;
    yield { kind: "image-header", offset, header: imageHeader() };
    const header = domainHeader(guestType, major, minor);
    yield { kind: "domain-header", offset, byteOrder: "little", header };
    if (guest === "hvm") {
      yield madeRecord(libxcRecord("STATIC_DATA_END"), offset);
    }
  }

  *#beginPv(event: LegacyPvEvent): Generator<StreamEvent, void, undefined> {
    const { guestWidth, p2mPfns, offset } = event;
    const frames = { startPfn: 0, endPfn: this.#head!.pfnCount - 1, p2mPfns };
    const drafts = [
      pvInfoRecord(guestWidth),
      libxcRecord("STATIC_DATA_END"),
      libxcRecord("X86_PV_P2M_FRAMES", encodeP2mFrames(frames)),
    ];
    yield* eventsOf(drafts, offset);
  }

  async *#takePages(
    event: LegacyPagesEvent | LegacyTscEvent,
  ): AsyncGenerator<StreamEvent, void, undefined> {
    if (this.#checkpoints === 0) {
      yield converted(event);
      return;
    }
    this.#later ??= new CheckpointPages(await this.#options.keepPages());
    await this.#later.add(event);
  }

  /** The checkpoint that was being read is complete: its pages are the guest's. */
  async *#bringBack(): AsyncGenerator<StreamEvent, void, undefined> {
    const later = this.#later;
    if (later === undefined) {
      return;
    }
    for await (const event of later.all()) {
      yield converted(event);
    }
    this.#later = undefined;
    await later.close();
  }
}

function eventsOf(drafts: readonly RecordDraft[], offset: number): readonly StreamEvent[] {
  return drafts.map((draft) => madeRecord(draft, offset));
}

function converted(event: LegacyPagesEvent | LegacyTscEvent): StreamEvent {
  return event.kind === "tsc"
    ? madeRecord(libxcRecord("X86_TSC_INFO", encodeTscInfo(event.info)), event.offset)
    : madePageData(event, event.offset);
}

function withStreamV2({ header, ...event }: XlHeaderEvent): XlHeaderEvent {
  const mandatoryFlags = header.mandatoryFlags | XL_MANDATORY_STREAM_V2_MASK;
  return { ...event, header: { ...header, mandatoryFlags } };
}
