import type { MigrationError } from "../base/errors.ts";
import type { ByteOrder, Layer } from "./steps.ts";

/** Common to all: where it starts, in octets from the stream's start, decompressed. */
interface Placed {
  readonly offset: number;
}

/** xl's header of a saved domain. @source tools/xl/xl.h save_file_header */
export interface XlHeader {
  readonly byteOrder: ByteOrder;
  readonly mandatoryFlags: number;
  readonly optionalFlags: number;
  /** Everything between the fixed part and libxl's stream, as it came. */
  readonly optionalData: Uint8Array;
  /** The domain's configuration, a part of `optionalData`; `undefined` without a whole one. */
  readonly config: Uint8Array | undefined;
}

/** libxl's stream header, big-endian whatever its options say. */
export interface LibxlHeader {
  readonly version: number;
  readonly options: number;
  /** Of the records that follow. */
  readonly byteOrder: ByteOrder;
  /** Written by the converter of legacy images. */
  readonly isConverted: boolean;
}

/** libxc's image header, big-endian whatever its options say. */
export interface ImageHeader {
  readonly version: number;
  readonly options: number;
  /** Of the domain header and the records that follow. */
  readonly byteOrder: ByteOrder;
  /** Two reserved fields: 16 and 32 bits, zero if the writer obeys. */
  readonly reserved: readonly [number, number];
}

/** libxc's domain header. `xenMajor` 0 is a converted legacy image. */
export interface DomainHeader {
  readonly guestType: number;
  readonly pageShift: number;
  readonly reserved: number;
  readonly xenMajor: number;
  readonly xenMinor: number;
}

/** Header events. The views in `header` are valid until the next event. */
export interface XlHeaderEvent extends Placed {
  readonly kind: "xl-header";
  readonly header: XlHeader;
}
export interface LibxlHeaderEvent extends Placed {
  readonly kind: "libxl-header";
  readonly header: LibxlHeader;
}
export interface ImageHeaderEvent extends Placed {
  readonly kind: "image-header";
  readonly header: ImageHeader;
}
export interface DomainHeaderEvent extends Placed {
  readonly kind: "domain-header";
  /** Of this header, as the image header says. */
  readonly byteOrder: ByteOrder;
  readonly header: DomainHeader;
}

/**
 * Any record but a sound PAGE_DATA. `body` and `padding` are valid until the next event.
 */
export interface RecordEvent extends Placed {
  readonly kind: "record";
  readonly layer: "libxl" | "libxc";
  /** All 32 bits, the optional bit included. */
  readonly type: number;
  /** Spec name; `undefined` for types that no spec names. */
  readonly name: string | undefined;
  readonly isOptional: boolean;
  /**
   * True for a STATIC_DATA_END that is not in the stream: version 2 has none, and it is inferred
   * before the first X86_PV_P2M_FRAMES or PAGE_DATA, whose offset it carries.
   */
  readonly isInferred: boolean;
  readonly byteOrder: ByteOrder;
  readonly body: Uint8Array;
  /** 0 to 7 octets, zero if the writer obeys. */
  readonly padding: Uint8Array;
}

/** A PAGE_DATA record. All arrays are valid until the next event. */
export interface PageDataEvent extends Placed {
  readonly kind: "page-data";
  readonly layer: "libxc";
  readonly byteOrder: ByteOrder;
  /** Octets of the whole body. */
  readonly bodyBytes: number;
  /** Frame number of each page described, in the stream's order. */
  readonly pfns: Uint32Array;
  /** Page type (0 to 15, none reserved) of each of `pfns`. */
  readonly types: Uint8Array;
  /** 4096 octets for each of `types` that has data, in order. */
  readonly pages: Uint8Array;
  /** Where `pages` starts in the stream. */
  readonly pagesOffset: number;
  /** The reserved field after the count, zero if the writer obeys. */
  readonly reserved: number;
  /** Index of the first pfn word with reserved bits set; they are left out of `pfns`. */
  readonly reservedWordIndex: number | undefined;
  /**
   * The body as it came: count, reserved field, pfn words, pages. Empty where the page data was
   * converted from a legacy stream, and did not come as a body.
   */
  readonly body: Uint8Array;
}

/** A run of PAGE_DATA records that the driver took off the reader's hands. */
export interface PagesTakenEvent extends Placed {
  readonly kind: "pages-taken";
  readonly layer: "libxc";
  readonly records: number;
  /** Page entries of all records, and those of them with data. */
  readonly entries: number;
  readonly dataPages: number;
}

/**
 * The two ends of a change of layers: after LIBXC_CONTEXT, at a CHECKPOINT and its CHECKPOINT_END.
 */
export interface LayerEvent extends Placed {
  readonly kind: "layer";
  readonly layer: Layer;
}

/** Only for the purpose of inspecting: what restoring would stop at. Reading goes on. */
export interface FaultEvent {
  readonly kind: "fault";
  readonly error: MigrationError;
}

/** The outermost END has been read: `offset` is the length of the stream. */
export interface EndEvent extends Placed {
  readonly kind: "end";
}

/** Octets after the end. Valid until the next event. */
export interface TrailingEvent extends Placed {
  readonly kind: "trailing";
  readonly bytes: Uint8Array;
}

/** What a reader finds, in the order of the stream. */
export type StreamEvent =
  | XlHeaderEvent
  | LibxlHeaderEvent
  | ImageHeaderEvent
  | DomainHeaderEvent
  | RecordEvent
  | PageDataEvent
  | PagesTakenEvent
  | LayerEvent
  | FaultEvent
  | EndEvent
  | TrailingEvent;
