import net from "node:net";
import { MigrationError } from "../../base/errors.ts";
import { type ControlFields, formatControlLine, parseControlLine } from "../control.ts";
import { CONTROL_PAYLOAD_BYTES_MAX, FrameReader, payloadBytes } from "../frames.ts";

/** A request of the control protocol. */
export interface ControlRequest {
  readonly verb: string;
  readonly fields: ReadonlyMap<string, string>;
  readonly payload: Uint8Array;
}

/** What is answered to a request; a refusal is thrown instead. */
export interface ControlAnswer {
  readonly fields?: ControlFields;
  /** Sent after the line; its length goes into the field `bytes`. */
  readonly payload?: Uint8Array;
  /** Called when the answer has left. */
  readonly afterwards?: () => void;
  /** Called when the client that asked is gone. */
  readonly onGone?: () => void;
}

/** Answers a request. @throws MigrationError its code is what the client throws */
export type Answerer = (request: ControlRequest) => ControlAnswer | Promise<ControlAnswer>;

/**
 * A server of the control protocol. It answers one request at a time, whoever sent it, and goes on
 * when a client is gone.
 */
export function controlServer(answer: Answerer): net.Server {
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = (request: ControlRequest) => {
    const answered = last.then(() => answer(request));
    last = answered.catch(() => undefined);
    return answered;
  };
  return net.createServer((socket) => {
    serveClient(socket, inTurn).catch(() => {
      // The client is gone or does not speak the protocol; its guest stays as it is.
      socket.destroy();
    });
  });
}

async function serveClient(
  socket: net.Socket,
  answer: (request: ControlRequest) => Promise<ControlAnswer>,
): Promise<void> {
  const requests: ControlRequest[] = [];
  let partial: ControlRequest;
  const frames = new FrameReader({
    line: (text) => {
      partial = requestOf(text);
      return partial.payload;
    },
    complete: () => {
      requests.push(partial);
    },
  });
  for await (const chunk of socket) {
    frames.take(chunk as Buffer);
    for (const request of requests.splice(0)) {
      await reply(socket, () => answer(request));
    }
  }
}

function requestOf(line: string): ControlRequest {
  const parsed = parseControlLine(line);
  if (parsed === undefined) {
    throw new MigrationError("GUEST_PROTOCOL", { reason: "not a request" });
  }
  const payload = new Uint8Array(payloadBytes(parsed.fields, CONTROL_PAYLOAD_BYTES_MAX));
  return { verb: parsed.word, fields: parsed.fields, payload };
}

async function reply(socket: net.Socket, answer: () => Promise<ControlAnswer>): Promise<void> {
  try {
    const { fields, payload, afterwards, onGone } = await answer();
    if (onGone !== undefined) {
      socket.once("close", onGone);
    }
    const sized = payload === undefined ? fields : { ...fields, bytes: payload.length };
    await write(socket, formatControlLine("ok", sized));
    if (payload !== undefined) {
      await write(socket, payload);
    }
    afterwards?.();
  } catch (error) {
    if (!(error instanceof MigrationError)) {
      throw error;
    }
    await write(socket, `error ${error.code} ${error.message.replaceAll("\n", " ")}\n`);
  }
}

/** Resolves when the octets have left this process. */
function write(socket: net.Socket, octets: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(octets, (error) => (error == null ? resolve() : reject(error)));
  });
}
