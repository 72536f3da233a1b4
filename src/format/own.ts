/**
 * What two ends of this project say to each other beyond Migration v2. Nothing of it goes to
 * others: the offer is an optional record, which they ignore, and without an answer to it the rest
 * is not used.
 *
 *     source                                    target
 *       |  -- OFFER, in the libxc stream -----> |
 *       |  <- answer, before "ready" ---------- |
 *       |  == more connections: hello ========> |
 *       |  <= joined ========================== |
 */
import { RECORD_OPTIONAL_MASK } from "./libxc.ts";

/** Records of our own in a libxc stream. Twin: native/pump/page_data.h. */
export const OWN_RECORD = {
  /** PAGE_DATA whose pages are packed; mandatory, and sent only to who said that it can unpack. */
  PAGE_DATA_ZSTD: 0x0058_4601,
  /** What the source would like to use. */
  OFFER: RECORD_OPTIONAL_MASK + 0x0058_4601,
  /** Ends an iteration that went over several channels: on each of them and on the main one. */
  ITERATION_END: RECORD_OPTIONAL_MASK + 0x0058_4602,
} as const;

/** Most channels of a migration, the main one included. */
export const CHANNELS_MAX = 16;

/** What the source would like to use, and what the target lets it use. */
export interface Offer {
  /** Channels, the main one included: 1 is the main one alone. */
  readonly channels: number;
  readonly zstd: boolean;
}

/** The target's answer to an {@link Offer}. */
export interface Answer extends Offer {
  /** Secret that tells who belongs to this migration, of {@link TOKEN_BYTES}. */
  readonly token: Uint8Array;
}

/** First words on a connection that is to be a channel. */
export interface Hello {
  readonly token: Uint8Array;
  /** Number of the channel, from 1 on; 0 is the main one. */
  readonly channel: number;
}

/** What an ITERATION_END says. */
export interface IterationEnd {
  readonly iteration: number;
  /** Bit n: channel n took part. */
  readonly channelMask: number;
}

export const TOKEN_BYTES = 16;
export const OFFER_BYTES = 8;
export const ITERATION_END_BYTES = 8;
export const ANSWER_BYTES = 32;
export const HELLO_BYTES = 32;

/** First octets of an answer and of a hello, and the whole of what is said to a hello. */
export const ANSWER_MAGIC = "XFanswer";
export const HELLO_MAGIC = "XFhello\n";
export const JOINED = "XFjoined";

const FLAG_ZSTD_MASK = 0x1;

export function encodeOffer({ channels, zstd }: Offer): Uint8Array {
  return words(channels, zstd ? FLAG_ZSTD_MASK : 0);
}

/** @returns `undefined` where the octets are no offer. */
export function decodeOffer(body: Uint8Array): Offer | undefined {
  return body.length === OFFER_BYTES ? offerAt(viewOf(body), 0) : undefined;
}

export function encodeIterationEnd({ iteration, channelMask }: IterationEnd): Uint8Array {
  return words(iteration, channelMask);
}

/** @returns `undefined` where the octets are none. */
export function decodeIterationEnd(body: Uint8Array): IterationEnd | undefined {
  const view = viewOf(body);
  return body.length === ITERATION_END_BYTES
    ? { iteration: view.getUint32(0, true), channelMask: view.getUint32(4, true) }
    : undefined;
}

export function encodeAnswer(answer: Answer): Uint8Array {
  return Buffer.concat([ascii(ANSWER_MAGIC), encodeOffer(answer), answer.token]);
}

/** @returns `undefined` where the octets are no answer. */
export function decodeAnswer(bytes: Uint8Array): Answer | undefined {
  return bytes.length === ANSWER_BYTES && startsWith(bytes, ANSWER_MAGIC)
    ? { ...offerAt(viewOf(bytes), 8), token: Uint8Array.from(bytes.subarray(16)) }
    : undefined;
}

export function encodeHello({ token, channel }: Hello): Uint8Array {
  return Buffer.concat([ascii(HELLO_MAGIC), words(channel, 0), token]);
}

/** @returns `undefined` where the octets are no hello. */
export function decodeHello(bytes: Uint8Array): Hello | undefined {
  return bytes.length === HELLO_BYTES && startsWith(bytes, HELLO_MAGIC)
    ? { channel: viewOf(bytes).getUint32(8, true), token: Uint8Array.from(bytes.subarray(16)) }
    : undefined;
}

function offerAt(view: DataView, at: number): Offer {
  return {
    channels: view.getUint32(at, true),
    zstd: (view.getUint32(at + 4, true) & FLAG_ZSTD_MASK) !== 0,
  };
}

function words(first: number, second: number): Uint8Array {
  const bytes = new Uint8Array(8);
  viewOf(bytes).setUint32(0, first, true);
  viewOf(bytes).setUint32(4, second, true);
  return bytes;
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function ascii(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

function startsWith(bytes: Uint8Array, magic: string): boolean {
  return ascii(magic).equals(bytes.subarray(0, magic.length));
}
