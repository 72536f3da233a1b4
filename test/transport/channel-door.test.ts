import { afterEach, describe, expect, it } from "vitest";
import { encodeHello, JOINED } from "../../src/format/own.ts";
import type { Connection } from "../../src/transport/connection.ts";
import { connect, type Listener, listen } from "../../src/transport/open.ts";
import { probePump } from "../../src/transport/pump-addon.ts";

const { addon, reason } = probePump();
const TOKEN = new Uint8Array(16).fill(9);

const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  await Promise.all(closers.splice(0).map((close) => close()));
});

async function openListener(): Promise<Listener> {
  const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 });
  closers.push(() => listener.close());
  return listener;
}

async function dial({ address }: Listener): Promise<Connection> {
  const connection = await connect(address as Extract<typeof address, { kind: "tcp" }>);
  closers.push(() => connection.close());
  return connection;
}

/** Opens the door; resolves with the first that comes in. */
function openDoor({ door }: Listener) {
  return new Promise<{ channel: number; connection: Connection }>((resolve) => {
    door.open(TOKEN, (channel, connection) => {
      closers.push(() => connection.close());
      resolve({ channel, connection });
    });
  });
}

const text = async (connection: Connection, byteCount: number) =>
  Buffer.from(await connection.source.exactly(byteCount)).toString("latin1");

describe.runIf(addon !== undefined)(`the door for channels (${reason ?? "add-on"})`, () => {
  it("lets in who knows the token, and takes no octet behind the hello", async () => {
    const listener = await openListener();
    const entered = openDoor(listener);
    const joining = await dial(listener);
    await joining.sink.write(encodeHello({ token: TOKEN, channel: 5 }), Buffer.from("pages"));
    const { channel, connection } = await entered;
    expect(channel).toBe(5);
    expect(await text(connection, 5)).toBe("pages");
    expect(await text(joining, JOINED.length)).toBe(JOINED);
  });

  it.each([
    ["another token", encodeHello({ token: new Uint8Array(16), channel: 1 })],
    ["something else", new Uint8Array(32)],
  ])("hangs up on who says %s", async (_what, said) => {
    const listener = await openListener();
    void openDoor(listener);
    const stranger = await dial(listener);
    await stranger.sink.write(said);
    await expect(stranger.source.exactly(1)).rejects.toMatchObject({
      code: expect.stringMatching(/STREAM_TRUNCATED|TRANSPORT_LOST/),
    });
  });

  it("keeps who says nothing for a migration of its own", async () => {
    const listener = await openListener();
    void openDoor(listener);
    const other = await dial(listener);
    const joining = await dial(listener);
    await joining.sink.write(encodeHello({ token: TOKEN, channel: 1 }));
    await text(joining, JOINED.length);
    const accepted = listener.accept();
    listener.door.close();
    const connection = await accepted;
    closers.push(() => connection.close());
    await other.sink.write(Buffer.from("xl"));
    expect(await text(connection, 2)).toBe("xl");
  });

  it("takes everybody for a migration where it is not open", async () => {
    const listener = await openListener();
    const caller = await dial(listener);
    const connection = await listener.accept();
    closers.push(() => connection.close());
    await caller.sink.write(encodeHello({ token: TOKEN, channel: 1 }));
    expect(await text(connection, 8)).toBe("XFhello\n");
  });
});
