import { endianness } from "node:os";

/**
 * What passes between libxl and its save helper: messages to libxl, and to some of them one number
 * back.
 *
 * One table serves libxl 4.14 to 4.22: it is the same in all of them, which
 * test/helper/messages.test.ts checks in a clone of Xen.
 *
 * @source libxl_save_msgs_gen.pl, `@msgs`
 */

/** An argument of a message. `unsigned long` and frame numbers are `u64`: Xen's tools are LP64. */
type ArgumentKind = "u32" | "i32" | "u64" | "string";

/** What one kind of message is like. Its number is its place in the table, from 1. */
interface MessageShape {
  readonly name: string;
  readonly arguments: readonly ArgumentKind[];
  /** Whether libxl answers with a number. */
  readonly isAnswered: boolean;
  /** Whether it may be sent only where libxl set the bit of its number in CBFLAGS. */
  readonly isOffered: boolean;
}

/** All messages, in the order of their numbers. */
export const MESSAGES = [
  {
    name: "log",
    arguments: ["u32", "u32", "string", "string"],
    isAnswered: false,
    isOffered: false,
  },
  {
    name: "progress",
    arguments: ["string", "string", "u64", "u64"],
    isAnswered: false,
    isOffered: false,
  },
  { name: "suspend", arguments: [], isAnswered: true, isOffered: true },
  { name: "postcopy", arguments: [], isAnswered: true, isOffered: true },
  { name: "checkpoint", arguments: [], isAnswered: true, isOffered: true },
  { name: "wait_checkpoint", arguments: [], isAnswered: true, isOffered: true },
  {
    name: "switch_qemu_logdirty",
    arguments: ["u32", "u32"],
    isAnswered: true,
    isOffered: true,
  },
  {
    name: "static_data_done",
    arguments: ["u32"],
    isAnswered: true,
    isOffered: true,
  },
  {
    name: "restore_results",
    arguments: ["u64", "u64"],
    isAnswered: false,
    isOffered: true,
  },
  {
    name: "complete",
    arguments: ["i32", "i32"],
    isAnswered: true,
    isOffered: false,
  },
] as const satisfies readonly MessageShape[];

type Message = (typeof MESSAGES)[number];

export type MessageName = Message["name"];

/** Messages that libxl has to offer: its callbacks. */
export type CallbackName = Extract<Message, { readonly isOffered: true }>["name"];

/** Messages that libxl answers. */
export type QuestionName = Extract<Message, { readonly isAnswered: true }>["name"];

/** What the arguments of a message are in TypeScript. */
export type MessageArguments<Name extends MessageName> = ValuesOf<
  Extract<Message, { readonly name: Name }>["arguments"]
>;

type ValuesOf<Kinds extends readonly ArgumentKind[]> = {
  readonly [Index in keyof Kinds]: ValueOf<Kinds[Index]>;
};

type ValueOf<Kind> = Kind extends "string" ? string : Kind extends "u64" ? bigint : number;

/** Octets of an answer: one `int`. */
export const ANSWER_BYTES = 4;

/** Octets of a string, its NUL not counted, that fit: a longer one is cut. */
export const STRING_BYTES_MAX = 16_384;

/** Both ends are on one machine and use its byte order. */
const NATIVE_LITTLE_ENDIAN = endianness() === "LE";

const LENGTH_BYTES = 2;
const NUMBER_BYTES = 2;

/** The number of a message. */
export function messageNumber(name: MessageName): number {
  return MESSAGES.findIndex((shape) => shape.name === name) + 1;
}

/** The bit of CBFLAGS that offers a callback. */
export function callbackMask(name: CallbackName): number {
  return 2 ** messageNumber(name);
}

/**
 * Encodes a message with its length in front.
 *
 * Strings end before their first NUL, and are cut between two characters to
 * {@link STRING_BYTES_MAX}.
 *
 * @source libxl_save_helper.c `helper_transmitmsg`, libxl_save_msgs_gen.pl `bytes_put`
 */
export function encodeMessage<Name extends MessageName>(
  name: Name,
  values: MessageArguments<Name>,
): Uint8Array {
  const number = messageNumber(name);
  const kinds: readonly ArgumentKind[] = MESSAGES[number - 1]!.arguments;
  const parts = kinds.map((kind, index) => encodeArgument(kind, values[index]));
  const bodyBytes = NUMBER_BYTES + parts.reduce((sum, part) => sum + part.length, 0);
  const head = new DataView(new ArrayBuffer(LENGTH_BYTES + NUMBER_BYTES));
  head.setUint16(0, bodyBytes, NATIVE_LITTLE_ENDIAN);
  head.setUint16(LENGTH_BYTES, number, NATIVE_LITTLE_ENDIAN);
  return Buffer.concat([new Uint8Array(head.buffer), ...parts]);
}

/** The number libxl answered with. @param bytes exactly {@link ANSWER_BYTES}. */
export function decodeAnswer(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getInt32(0, NATIVE_LITTLE_ENDIAN);
}

function encodeArgument(kind: ArgumentKind, value: unknown): Uint8Array {
  if (kind === "string") {
    return encodeString(String(value));
  }
  const view = new DataView(new ArrayBuffer(kind === "u64" ? 8 : 4));
  if (kind === "u64") {
    view.setBigUint64(0, BigInt(value as bigint), NATIVE_LITTLE_ENDIAN);
  } else {
    view.setInt32(0, Number(value), NATIVE_LITTLE_ENDIAN);
  }
  return new Uint8Array(view.buffer);
}

/** Length with the NUL, octets, NUL. */
function encodeString(text: string): Uint8Array {
  const [shown = ""] = text.split("\0");
  const octets = new Uint8Array(STRING_BYTES_MAX);
  const { written } = new TextEncoder().encodeInto(shown, octets);
  const part = new Uint8Array(4 + written + 1);
  new DataView(part.buffer).setUint32(0, written + 1, NATIVE_LITTLE_ENDIAN);
  part.set(octets.subarray(0, written), 4);
  return part;
}
