import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  bigintField,
  type ControlClient,
  connectControl,
  controlAddress,
  formatControlLine,
  numberField,
  parseControlLine,
} from "../../src/guest/control.ts";

describe("lines", () => {
  test("a line carries values of any kind", () => {
    const line = formatControlLine("set", { a: 1, b: 2n ** 64n - 1n, c: "x y=%\n", d: "ä/," });
    expect(line).toBe("set a=1 b=18446744073709551615 c=x%20y%3D%25%0A d=%C3%A4/,\n");
    const parsed = parseControlLine(line.trimEnd());
    expect(parsed?.word).toBe("set");
    expect(Object.fromEntries(parsed!.fields)).toEqual({
      a: "1",
      b: "18446744073709551615",
      c: "x y=%\n",
      d: "ä/,",
    });
  });

  test.each(["", " ", "ok x", "ok =1", "ok a=%"])("%j is no line", (line) => {
    expect(parseControlLine(line)).toBeUndefined();
  });

  test.each(["", "-1", "1.5", "0x1", "1".repeat(21)])("%j is no number", (text) => {
    const fields = new Map([["n", text]]);
    const refused = expect.objectContaining({ code: "GUEST_PROTOCOL" });
    expect(() => bigintField(fields, "n")).toThrow(refused);
    expect(() => numberField(fields, "n")).toThrow(refused);
    expect(() => numberField(fields, "missing")).toThrow(refused);
  });
});

describe("client", () => {
  let folder: string;
  let server: net.Server;
  let release: () => void;
  let client: ControlClient;
  let peer: net.Socket;

  beforeEach(async () => {
    const root = await mkdtemp(path.join(os.tmpdir(), "xenferry-control-"));
    // Longer than any socket's path may be.
    folder = path.join(root, "x".repeat(120));
    await mkdir(folder);
    server = net.createServer();
    const address = controlAddress(folder);
    release = address.release;
    await once(server.listen(address.path), "listening");
    const accepted = once(server, "connection");
    client = await connectControl(folder, "web");
    [peer] = (await accepted) as [net.Socket];
  });

  afterEach(async () => {
    client.close();
    peer.destroy();
    server.close();
    await once(server, "close");
    release();
    await rm(path.dirname(folder), { recursive: true });
  });

  test("replies answer requests in order, in whatever pieces they come", async () => {
    const first = client.request("one");
    const second = client.request("two", {}, { into: new Uint8Array(8) });
    for (const byte of Buffer.from("ok a=1\nok bytes=5 b=2\nhel\no")) {
      peer.write(Uint8Array.of(byte));
    }
    expect(Object.fromEntries((await first).fields)).toEqual({ a: "1" });
    const reply = await second;
    expect(reply.fields.get("b")).toBe("2");
    expect(Buffer.from(reply.payload).toString()).toBe("hel\no");
  });

  test("a payload follows its line", async () => {
    const received = once(peer, "data");
    const reply = client.request("write", { pfn: 3 }, { payload: Buffer.from("abc") });
    peer.write("ok\n");
    await reply;
    expect(String((await received)[0])).toMatch(/^write pfn=3 bytes=3\n/);
  });

  test("a refusal carries the guest's code", async () => {
    const refused = client.request("set-state");
    const unknown = client.request("dance");
    peer.write("error GUEST_STATE too short\nerror NO_SUCH_CODE what\n");
    await expect(refused).rejects.toMatchObject({
      code: "GUEST_STATE",
      where: { guest: "web", verb: "set-state", reason: "too short" },
    });
    await expect(unknown).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
  });

  test("death of the guest fails what is under way and all that follows", async () => {
    const requests = [client.request("check"), client.request("status")];
    peer.destroy();
    for (const request of requests) {
      await expect(request).rejects.toMatchObject({ code: "GUEST_LOST" });
    }
    await expect(client.request("status")).rejects.toMatchObject({ code: "GUEST_LOST" });
  });

  test.each(["yes\n", "ok a\n", "ok bytes=x\n", "ok bytes=9\n", `ok ${"x".repeat(70_000)}`])(
    "%.20j is no reply",
    async (text) => {
      const request = client.request("read", {}, { into: new Uint8Array(8) });
      peer.resume().write(text);
      await expect(request).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
      await once(peer, "close");
      await expect(client.request("x")).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
    },
  );

  test("a reply that nobody asked for ends the connection", async () => {
    peer.resume().write("ok\n");
    await once(peer, "close");
    await expect(client.request("x")).rejects.toMatchObject({ code: "GUEST_PROTOCOL" });
  });

  test("nobody listening is a lost guest", async () => {
    const empty = path.join(path.dirname(folder), "empty");
    await mkdir(empty);
    await expect(connectControl(empty, "web")).rejects.toMatchObject({ code: "GUEST_LOST" });
    const missing = connectControl(`${empty}-not`, "web");
    await expect(missing).rejects.toMatchObject({ code: "GUEST_LOST" });
  });
});
