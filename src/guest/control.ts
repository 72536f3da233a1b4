import { closeSync, openSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { ERROR_CODES, type ErrorCode, MigrationError } from "../base/errors.ts";
import { CONTROL_PAYLOAD_BYTES_MAX, FrameReader, payloadBytes } from "./frames.ts";
import { CONTROL_SOCKET } from "./registry.ts";

/** Longest path of a unix socket on every system we know (108 on Linux, 104 elsewhere). */
const SOCKET_PATH_BYTES_MAX = 103;

/** Values of a line; written as `key=value`, percent-encoded. */
export type ControlFields = Readonly<Record<string, string | number | bigint>>;

/** A line of the protocol, in either direction: a word and its fields. */
export interface ControlLine {
  readonly word: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** What a guest answered. */
export interface ControlReply {
  readonly fields: ReadonlyMap<string, string>;
  /** `bytes=` octets that followed the line; the caller's `into` where one was given. */
  readonly payload: Uint8Array;
}

/** What a request carries besides its fields. */
export interface ControlOptions {
  /** Sent after the line; its length goes into the field `bytes`. */
  readonly payload?: Uint8Array;
  /** Takes the reply's payload, which must not be longer; else a fresh array is made. */
  readonly into?: Uint8Array;
}

/**
 * A connection to a guest's control socket.
 *
 * Request: `verb key=value …\n`. Reply: `ok key=value …\n` or `error CODE message\n`. After a line
 * with `bytes=N` come N octets. Replies come in the order of requests. A dropped connection leaves
 * the guest as it is.
 */
export interface ControlClient {
  /**
   * Asks the guest; any number of requests may be under way.
   *
   * @throws MigrationError GUEST_LOST the guest is gone, GUEST_PROTOCOL the reply is none, or the
   *   code with which the guest refuses.
   */
  request(verb: string, fields?: ControlFields, options?: ControlOptions): Promise<ControlReply>;
  /** Ends the connection; requests under way fail with GUEST_LOST. */
  close(): void;
}

/** A name for a control socket that fits the system's limit; valid until `release`. */
export interface ControlAddress {
  readonly path: string;
  readonly release: () => void;
}

/**
 * Names the control socket in `folder`, of whatever length.
 *
 * On Linux the name goes through an open descriptor of the folder, so it still means this guest's
 * socket after the folder was renamed: a server keeps it until it has closed.
 *
 * @throws MigrationError GUEST_CONFIG the path is too long for this system; GUEST_LOST no folder.
 */
export function controlAddress(folder: string): ControlAddress {
  const plain = path.join(folder, CONTROL_SOCKET);
  if (process.platform === "linux") {
    try {
      const fd = openSync(folder, "r");
      return { path: `/proc/self/fd/${fd}/${CONTROL_SOCKET}`, release: () => closeSync(fd) };
    } catch (error) {
      throw new MigrationError("GUEST_LOST", { path: folder }, error);
    }
  }
  if (Buffer.byteLength(plain) > SOCKET_PATH_BYTES_MAX) {
    const reason = `a socket's path has at most ${SOCKET_PATH_BYTES_MAX} bytes`;
    throw new MigrationError("GUEST_CONFIG", { key: "run folder", value: plain, reason });
  }
  return { path: plain, release: () => undefined };
}

/**
 * Connects to the guest in `folder`.
 *
 * @param guest its name, for errors.
 * @throws MigrationError GUEST_LOST nobody listens.
 */
export async function connectControl(folder: string, guest: string): Promise<ControlClient> {
  const address = controlAddress(folder);
  try {
    const socket = await new Promise<net.Socket>((resolve, reject) => {
      const attempt = net.createConnection({ path: address.path });
      attempt.once("connect", () => resolve(attempt)).once("error", reject);
    });
    return new SocketControlClient(socket, guest);
  } catch (error) {
    throw new MigrationError("GUEST_LOST", { guest, path: folder }, error);
  } finally {
    address.release();
  }
}

/** Writes a line, newline included. */
export function formatControlLine(word: string, fields: ControlFields = {}): string {
  const pairs = Object.entries(fields).map(([key, value]) => `${key}=${encodeValue(value)}`);
  return `${[word, ...pairs].join(" ")}\n`;
}

/** Reads a line (without its newline); undefined if it is none. */
export function parseControlLine(line: string): ControlLine | undefined {
  const [word = "", ...pairs] = line.split(" ").filter((part) => part !== "");
  const fields = new Map<string, string>();
  for (const pair of pairs) {
    const equals = pair.indexOf("=");
    const value = equals > 0 ? decodeValue(pair.slice(equals + 1)) : undefined;
    if (value === undefined) {
      return undefined;
    }
    fields.set(pair.slice(0, equals), value);
  }
  return word === "" ? undefined : { word, fields };
}

/** The field's number. @throws MigrationError GUEST_PROTOCOL missing, or not a safe count */
export function numberField(fields: ReadonlyMap<string, string>, key: string): number {
  const value = Number(bigintField(fields, key));
  if (!Number.isSafeInteger(value)) {
    throw new MigrationError("GUEST_PROTOCOL", { key, value });
  }
  return value;
}

/** The field's unsigned integer. @throws MigrationError GUEST_PROTOCOL missing, or not one */
export function bigintField(fields: ReadonlyMap<string, string>, key: string): bigint {
  const text = textField(fields, key);
  if (!/^\d{1,20}$/.test(text)) {
    throw new MigrationError("GUEST_PROTOCOL", { key, value: text });
  }
  return BigInt(text);
}

/** The field's text. @throws MigrationError GUEST_PROTOCOL missing */
export function textField(fields: ReadonlyMap<string, string>, key: string): string {
  const text = fields.get(key);
  if (text === undefined) {
    throw new MigrationError("GUEST_PROTOCOL", { key, reason: "missing" });
  }
  return text;
}

interface PendingRequest {
  readonly verb: string;
  readonly into: Uint8Array | undefined;
  readonly resolve: (reply: ControlReply) => void;
  readonly reject: (error: unknown) => void;
}

class SocketControlClient implements ControlClient {
  readonly #socket: net.Socket;
  readonly #guest: string;
  readonly #pending: PendingRequest[] = [];
  /** What was answered to the first of `#pending`, while its payload arrives. */
  #reply: ControlReply | undefined;
  #failure: unknown;

  constructor(socket: net.Socket, guest: string) {
    this.#socket = socket;
    this.#guest = guest;
    const handler = {
      line: (text: string) => this.#takeLine(text),
      complete: () => this.#complete(),
    };
    const frames = new FrameReader(handler, { guest });
    socket.on("data", (chunk) => this.#take(frames, chunk));
    socket.on("error", (error) => this.#fail(new MigrationError("GUEST_LOST", { guest }, error)));
    socket.on("close", () => this.#fail(new MigrationError("GUEST_LOST", { guest })));
  }

  request(
    verb: string,
    fields: ControlFields = {},
    { payload, into }: ControlOptions = {},
  ): Promise<ControlReply> {
    if (this.#failure !== undefined) {
      return Promise.reject(this.#failure);
    }
    const sized = payload === undefined ? fields : { ...fields, bytes: payload.length };
    return new Promise((resolve, reject) => {
      this.#pending.push({ verb, into, resolve, reject });
      this.#socket.write(formatControlLine(verb, sized));
      if (payload !== undefined && payload.length > 0) {
        this.#socket.write(payload);
      }
    });
  }

  close(): void {
    this.#fail(new MigrationError("GUEST_LOST", { guest: this.#guest, reason: "detached" }));
  }

  #take(frames: FrameReader, chunk: Buffer): void {
    try {
      frames.take(chunk);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Takes a reply's line; returns where its payload goes. */
  #takeLine(line: string): Uint8Array {
    const [request] = this.#pending;
    if (request === undefined) {
      throw this.#protocolError("a reply without a request");
    }
    if (line.startsWith("error ")) {
      this.#pending.shift();
      request.reject(refusal(line, { guest: this.#guest, verb: request.verb }));
      return new Uint8Array();
    }
    const reply = parseControlLine(line);
    if (reply?.word !== "ok") {
      throw this.#protocolError("not a reply");
    }
    const { into } = request;
    const byteCount = payloadBytes(reply.fields, into?.length ?? CONTROL_PAYLOAD_BYTES_MAX);
    const payload = into?.subarray(0, byteCount) ?? new Uint8Array(byteCount);
    this.#reply = { fields: reply.fields, payload };
    return payload;
  }

  #complete(): void {
    if (this.#reply !== undefined) {
      this.#pending.shift()?.resolve(this.#reply);
      this.#reply = undefined;
    }
  }

  #protocolError(reason: string): MigrationError {
    return new MigrationError("GUEST_PROTOCOL", { guest: this.#guest, reason });
  }

  /** The connection is of no use any more; the first reason is the one told. */
  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#socket.destroy();
    for (const request of this.#pending.splice(0)) {
      request.reject(this.#failure);
    }
  }
}

function refusal(line: string, where: { guest: string; verb: string }): MigrationError {
  const [, code = "", ...words] = line.split(" ");
  const isKnown = (ERROR_CODES as readonly string[]).includes(code);
  return new MigrationError(isKnown ? (code as ErrorCode) : "GUEST_PROTOCOL", {
    ...where,
    reason: isKnown ? words.join(" ") : line,
  });
}

/** Percent-encodes what would end a value: controls, space, `%`, and whatever is not ASCII. */
function encodeValue(value: string | number | bigint): string {
  return encodeURIComponent(String(value)).replaceAll("%2F", "/").replaceAll("%2C", ",");
}

function decodeValue(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // A lone percent sign: the line is not of this protocol.
    return undefined;
  }
}
