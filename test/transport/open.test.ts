import { mkdtemp, rm, stat } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseAddress } from "../../src/transport/address.ts";
import { connect, listen } from "../../src/transport/open.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "xenferry-test-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

function socketPath(): string {
  return path.join(folder, "wire.sock");
}

describe.each(["tcp", "unix"] as const)("%s", (kind) => {
  it("carries bytes both ways and ends", async () => {
    const listener = await listen(
      parseAddress(kind === "tcp" ? "tcp://127.0.0.1:0" : `unix:${socketPath()}`),
    );
    const address = listener.address;
    if (address.kind !== "tcp" && address.kind !== "unix") {
      throw new Error("unexpected address");
    }
    const [client, server] = await Promise.all([connect(address), listener.accept()]);
    await client.sink.write(Buffer.from("ping"));
    expect(Buffer.from(await server.source.exactly(4)).toString()).toBe("ping");
    await server.sink.write(Buffer.from("pong!"));
    expect(Buffer.from(await client.source.exactly(5)).toString()).toBe("pong!");
    await client.close();
    expect(await server.source.some(1)).toBeUndefined();
    await server.close();
    await listener.close();
  });

  it("takes connections that came before accept was called", async () => {
    const listener = await listen(
      parseAddress(kind === "tcp" ? "tcp://127.0.0.1:0" : `unix:${socketPath()}`),
    );
    const first = await connect(listener.address as never);
    const second = await connect(listener.address as never);
    await first.sink.write(Buffer.from("1"));
    await second.sink.write(Buffer.from("2"));
    const served = [await listener.accept(), await listener.accept()];
    const said = await Promise.all(served.map(({ source }) => source.exactly(1)));
    expect(said.map((bytes) => Buffer.from(bytes).toString()).sort()).toEqual(["1", "2"]);
    await Promise.all([...served, first, second].map((connection) => connection.close()));
    await listener.close();
  });
});

describe("listen", () => {
  it("makes a unix socket that only its owner may use", async () => {
    const listener = await listen({ kind: "unix", path: socketPath() });
    expect((await stat(socketPath())).mode & 0o777).toBe(0o600);
    await listener.close();
  });

  it("refuses what cannot be listened at", async () => {
    const nowhere = path.join(folder, "none", "x.sock");
    await expect(listen({ kind: "unix", path: nowhere })).rejects.toMatchObject({
      code: "TRANSPORT_OPEN",
    });
    await expect(listen({ kind: "local" })).rejects.toMatchObject({ code: "TRANSPORT_ADDRESS" });
  });

  it("wakes a waiting accept when it is closed", async () => {
    const listener = await listen({ kind: "tcp", host: "127.0.0.1", port: 0 });
    const accepted = listener.accept();
    await listener.close();
    await expect(accepted).rejects.toMatchObject({ code: "TRANSPORT_OPEN" });
  });
});

describe("connect", () => {
  it("talks to a child over its standard input and output", async () => {
    const connection = await connect({ kind: "exec", command: ["cat"] });
    await connection.sink.write(Buffer.from("echo"));
    expect(Buffer.from(await connection.source.exactly(4)).toString()).toBe("echo");
    await connection.close();
  });

  it("says that nobody listens, or that there is no such command", async () => {
    await expect(connect({ kind: "unix", path: socketPath() })).rejects.toMatchObject({
      code: "TRANSPORT_OPEN",
    });
    const command = [path.join(folder, "no-such-program")];
    await expect(connect({ kind: "exec", command })).rejects.toMatchObject({
      code: "TRANSPORT_OPEN",
    });
  });
});
