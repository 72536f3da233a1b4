import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import net from "node:net";
import { MigrationError } from "../base/errors.ts";
import { type Address, formatAddress, sshWords } from "./address.ts";
import { type ChannelDoor, SocketDoor } from "./channel-door.ts";
import { type Connection, connectionOf, receivingConnectionOf } from "./connection.ts";

/** How long a child may take to end by itself once its pipes are closed (ms). */
const CHILD_GRACE_MS = 5_000;

/**
 * Connects to a receiver.
 *
 * @param address of any kind but `local`, which is the caller's to turn into a command.
 * @param signal ends a socket, connected or not yet, when it aborts.
 * @throws MigrationError TRANSPORT_OPEN
 */
export function connect(
  address: Exclude<Address, { kind: "local" }>,
  signal?: AbortSignal,
): Promise<Connection> {
  const options = signal === undefined ? {} : { signal };
  switch (address.kind) {
    case "tcp": {
      const { host, port } = address;
      return connectSocket(address, { ...options, host, port, noDelay: true });
    }
    case "unix":
      return connectSocket(address, { ...options, path: address.path });
    case "exec":
      return startChild(address.command);
    case "ssh":
      return startChild(["ssh", ...sshWords(address), "xenferry", "receive", "--stdio"]);
  }
}

/** Makes a connection of this process's own standard input and output. */
export function stdioConnection(): Connection {
  const streams = { input: process.stdin, output: process.stdout };
  return receivingConnectionOf(streams, "stdio", async () => {
    process.stdin.destroy();
  });
}

/** A socket that waits for one migration after another. */
export interface Listener {
  /** Where it listens, with the port that was really taken. */
  readonly address: Address;
  /** Waits for the next connection. @throws MigrationError TRANSPORT_OPEN when closed */
  accept(): Promise<Connection>;
  /** Where the channels of the migration that was accepted come in. */
  readonly door: ChannelDoor;
  close(): Promise<void>;
}

/**
 * Listens for migrations.
 *
 * @param address of kind tcp (port 0 takes a free one) or unix (mode 0600; must not exist).
 * @throws MigrationError TRANSPORT_OPEN, TRANSPORT_ADDRESS
 */
export async function listen(address: Address): Promise<Listener> {
  if (address.kind !== "tcp" && address.kind !== "unix") {
    const expected = "tcp://HOST:PORT or unix:PATH";
    throw new MigrationError("TRANSPORT_ADDRESS", { address: formatAddress(address), expected });
  }
  const server = net.createServer({ noDelay: true, pauseOnConnect: true });
  const peer = formatAddress(address);
  const connectionOfSocket = (socket: net.Socket) =>
    receivingConnectionOf({ input: socket, output: socket }, peer, () => endSocket(socket));
  const waiting: net.Socket[] = [];
  let wake: ((socket: net.Socket | undefined) => void) | undefined;
  const door = new SocketDoor(connectionOfSocket, (socket) => {
    if (wake === undefined) {
      waiting.push(socket);
    } else {
      wake(socket);
      wake = undefined;
    }
  });
  server.on("connection", (socket) => door.enter(socket));
  await bind(server, address);
  return {
    address: boundAddress(server, address),
    door,
    accept: async () => {
      const socket =
        waiting.shift() ??
        (await new Promise<net.Socket | undefined>((resolve) => {
          wake = resolve;
        }));
      if (socket === undefined) {
        throw new MigrationError("TRANSPORT_OPEN", { address: peer, closed: true });
      }
      return connectionOfSocket(socket);
    },
    close: async () => {
      door.close();
      wake?.(undefined);
      waiting.forEach((socket) => {
        socket.destroy();
      });
      server.close();
    },
  };
}

async function bind(server: net.Server, address: Address): Promise<void> {
  const mask = process.umask(0o177);
  try {
    server.listen(
      address.kind === "tcp"
        ? { host: address.host, port: address.port }
        : { path: address.kind === "unix" ? address.path : "" },
    );
    await once(server, "listening");
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { address: formatAddress(address) }, error);
  } finally {
    process.umask(mask);
  }
}

function boundAddress(server: net.Server, asked: Address): Address {
  const bound = server.address();
  return asked.kind === "tcp" && bound !== null && typeof bound === "object"
    ? { kind: "tcp", host: asked.host, port: bound.port }
    : asked;
}

async function connectSocket(address: Address, options: net.NetConnectOpts): Promise<Connection> {
  const socket = net.connect(options);
  try {
    await once(socket, "connect");
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { address: formatAddress(address) }, error);
  }
  return socketConnection(socket, formatAddress(address));
}

function socketConnection(socket: net.Socket, peer: string): Connection {
  return connectionOf({ input: socket, output: socket }, peer, () => endSocket(socket));
}

async function endSocket(socket: net.Socket): Promise<void> {
  socket.destroySoon();
  if (!socket.closed) {
    await once(socket, "close");
  }
}

async function startChild(command: readonly string[]): Promise<Connection> {
  const [program = "", ...args] = command;
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  try {
    await once(child, "spawn");
  } catch (error) {
    throw new MigrationError("TRANSPORT_OPEN", { command: command.join(" ") }, error);
  }
  const streams = { input: child.stdout, output: child.stdin };
  return connectionOf(streams, command.join(" "), () => endChild(child));
}

async function endChild(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  if (child.exitCode !== null || child.signalCode !== null) {
    return;
  }
  const timer = setTimeout(() => child.kill("SIGTERM"), CHILD_GRACE_MS);
  await once(child, "exit");
  clearTimeout(timer);
}
