import { MigrationError } from "../base/errors.ts";

/** What libxl runs a save helper for. */
export type HelperOperation = "save" | "restore";

/** Whether a stream ends with its guest, or goes on with checkpoints. @source xc_stream_type_t */
export type StreamType = "plain" | "remus" | "colo";

/** What libxl passes to save a guest. */
export interface SaveArguments {
  readonly operation: "save";
  /** Stands where libxc's stream starts; libxl's own records are before and behind it. */
  readonly streamFd: number;
  /** The channel back from the receiver; `undefined` unless the stream has checkpoints. */
  readonly backFd: number | undefined;
  readonly domid: number;
  /** Whether the guest runs while most of its memory is sent. */
  readonly isLive: boolean;
  /** Whether all pages are sent once more, to be compared. */
  readonly isDebug: boolean;
  readonly callbackFlags: number;
  readonly streamType: StreamType;
}

/** What libxl passes to restore a guest. */
export interface RestoreArguments {
  readonly operation: "restore";
  readonly streamFd: number;
  readonly backFd: number | undefined;
  /** The empty domain that libxl made. */
  readonly domid: number;
  /** Event channels of xenstore and console, and who serves them. */
  readonly storeEvtchn: number;
  readonly storeDomid: number;
  readonly consoleEvtchn: number;
  readonly consoleDomid: number;
  readonly callbackFlags: number;
  readonly streamType: StreamType;
}

export type HelperArguments = SaveArguments | RestoreArguments;

const FIELDS = {
  save: ["STREAM_FD", "BACK_FD", "DOMID", "FLAGS", "CBFLAGS", "STREAM_TYPE"],
  restore: [
    "STREAM_FD",
    "BACK_FD",
    "DOMID",
    "STORE_EVTCHN",
    "STORE_DOMID",
    "CONSOLE_EVTCHN",
    "CONSOLE_DOMID",
    "CBFLAGS",
    "STREAM_TYPE",
  ],
} as const satisfies Record<HelperOperation, readonly string[]>;

type Field = (typeof FIELDS)[HelperOperation][number];

/** Numbers from here on are no guest's. @source DOMID_FIRST_RESERVED, xen.h */
const DOMID_END = 0x7ff0;

const STREAM_TYPES: readonly StreamType[] = ["plain", "remus", "colo"];

/** @source XCFLAGS_LIVE and XCFLAGS_DEBUG, xenguest.h */
const LIVE_MASK = 1;
const DEBUG_MASK = 2;

/**
 * Reads the arguments that libxl passes behind the program's name: a mode, then decimal numbers.
 *
 * @throws MigrationError HELPER_ARGUMENTS
 * @source libxl_save_callout.c, `run_helper` and both entry points
 */
export function parseHelperArguments(args: readonly string[]): HelperArguments {
  const [mode, ...texts] = args;
  switch (mode) {
    case "--save-domain":
      return saveArguments(numbersOf("save", texts));
    case "--restore-domain":
      return restoreArguments(numbersOf("restore", texts));
    default:
      throw new MigrationError("HELPER_ARGUMENTS", { mode: mode ?? "none" });
  }
}

type Numbers = (field: Field) => number;

function saveArguments(numbers: Numbers): SaveArguments {
  const flags = numbers("FLAGS");
  return {
    operation: "save",
    ...commonArguments(numbers),
    isLive: hasBit(flags, LIVE_MASK),
    isDebug: hasBit(flags, DEBUG_MASK),
  };
}

function restoreArguments(numbers: Numbers): RestoreArguments {
  return {
    operation: "restore",
    ...commonArguments(numbers),
    storeEvtchn: numbers("STORE_EVTCHN"),
    storeDomid: numbers("STORE_DOMID"),
    consoleEvtchn: numbers("CONSOLE_EVTCHN"),
    consoleDomid: numbers("CONSOLE_DOMID"),
  };
}

function commonArguments(numbers: Numbers) {
  const streamType = STREAM_TYPES[numbers("STREAM_TYPE")];
  if (streamType === undefined) {
    throw invalid("STREAM_TYPE", String(numbers("STREAM_TYPE")));
  }
  const backFd = numbers("BACK_FD");
  return {
    streamFd: numbers("STREAM_FD"),
    // In a plain save it is a duplicate of whatever descriptor 0 of xl was.
    backFd: streamType === "plain" || backFd < 0 ? undefined : backFd,
    domid: numbers("DOMID"),
    callbackFlags: numbers("CBFLAGS"),
    streamType,
  };
}

function hasBit(flags: number, mask: number): boolean {
  return Math.floor(flags / mask) % 2 === 1;
}

/** The numbers that `texts` write, by the names of their places. */
function numbersOf(operation: HelperOperation, texts: readonly string[]): Numbers {
  const fields: readonly Field[] = FIELDS[operation];
  if (texts.length !== fields.length) {
    const facts = { mode: operation, numbers: texts.length, expected: fields.join(" ") };
    throw new MigrationError("HELPER_ARGUMENTS", facts);
  }
  const values = new Map(fields.map((field, index) => [field, numberOf(field, texts[index]!)]));
  return (field) => values.get(field)!;
}

function numberOf(field: Field, text: string): number {
  const value = Number(text);
  const [min, end] = rangeOf(field);
  if (!/^(-1|0|[1-9][0-9]*)$/.test(text) || value < min || value >= end) {
    throw invalid(field, text);
  }
  return value;
}

/** The smallest number a place may hold, and the one behind the largest. */
function rangeOf(field: Field): readonly [number, number] {
  switch (field) {
    case "BACK_FD":
      return [-1, 2 ** 31];
    case "STREAM_FD":
      return [0, 2 ** 31];
    case "DOMID":
      return [0, DOMID_END];
    default:
      return [0, 2 ** 32];
  }
}

function invalid(field: Field, value: string): MigrationError {
  return new MigrationError("HELPER_ARGUMENTS", { field, value });
}
