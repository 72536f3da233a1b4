import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { readFile } from "node:fs/promises";
import net from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { descriptorOf } from "../../src/transport/descriptor.ts";
import { DescriptorSource } from "../../src/transport/descriptor-source.ts";
import { probePump } from "../../src/transport/pump-addon.ts";
import { makeCounters } from "../../src/transport/pump-counters.ts";

/** More than libuv's pool has threads. */
const WAITING_COUNT = 6;

const { addon, reason } = probePump();

describe.skipIf(addon === undefined)(`DescriptorSource (${reason ?? "add-on"})`, () => {
  const closers: (() => unknown)[] = [];

  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) {
      await close();
    }
  });

  /** A writing end, a descriptor of the reading end, and a source on that. */
  async function link() {
    const server = net.createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const accepted = once(server, "connection");
    const { port } = server.address() as net.AddressInfo;
    const writer = net.connect(port, "127.0.0.1");
    const [reader] = (await accepted) as [net.Socket];
    const fd = descriptorOf(reader)!;
    const source = new DescriptorSource(addon!, fd);
    closers.push(
      () => server.close(),
      () => writer.destroy(),
      () => reader.destroy(),
      () => source.close(),
    );
    return { writer, fd, source };
  }

  const text = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString();

  it("waits for octets that come in pieces, again and again", async () => {
    const { writer, source } = await link();
    for (const word of ["first", "other"]) {
      const pending = source.exactly(5);
      writer.write(word.slice(0, 2));
      setImmediate(() => writer.write(word.slice(2)));
      expect(text(await pending)).toBe(word);
    }
    expect(source.offset).toBe(10);
  });

  it("says where the stream ended while it waited", async () => {
    const { writer, source } = await link();
    const pending = source.exactly(4);
    writer.end("abc");
    await expect(pending).rejects.toMatchObject({
      code: "STREAM_TRUNCATED",
      where: { offset: 3, wantedBytes: 4, gotBytes: 3 },
    });
    expect(await source.some(1)).toBeUndefined();
  });

  it("tells of a broken connection with its cause", async () => {
    const { writer, source } = await link();
    const pending = source.exactly(1);
    writer.resetAndDestroy();
    await expect(pending).rejects.toMatchObject({
      code: "TRANSPORT_LOST",
      cause: { code: "TRANSPORT_LOST", where: { call: "read" } },
    });
  });

  it("ends a wait when it is closed, and every later one", async () => {
    const { source } = await link();
    const pending = source.exactly(1);
    await Promise.all([source.close(), source.close()]);
    await expect(pending).rejects.toMatchObject({ code: "TRANSPORT_LOST" });
    await expect(source.some(1)).rejects.toMatchObject({ code: "TRANSPORT_LOST" });
  });

  it("tells where a descriptor cannot be waited on", async () => {
    const fd = openSync(".", "r");
    closers.push(() => closeSync(fd));
    const watch = new addon!.ReadableWatch(fd);
    const { failure } = await watch.wait();
    expect(failure).toMatchObject({ code: "TRANSPORT_LOST", call: "epoll_ctl" });
    watch.close();
  });

  it("leaves the threads of files to files, however many wait", async () => {
    const links = await Promise.all(Array.from({ length: WAITING_COUNT }, link));
    const reads = links.map(({ source }) => source.exactly(1));
    const cancel = new addon!.Cancel();
    const ram = new addon!.RamFile({ fd: -1, pfnCount: 1 });
    const counters = makeCounters();
    const job = { ram, offset: 0, type: 1, bodyBytes: 16, threadCount: 1, counters, cancel };
    const others = await Promise.all(Array.from({ length: WAITING_COUNT }, link));
    const calls = others.map(({ fd }) => addon!.receivePages({ ...job, fd }));
    expect(await readFile("package.json", "utf8")).toContain("xenferry");
    for (const { writer } of links) {
      writer.write("x");
    }
    expect((await Promise.all(reads)).map(text)).toEqual(Array(WAITING_COUNT).fill("x"));
    cancel.fire();
    for (const { failure } of await Promise.all(calls)) {
      expect(failure).toMatchObject({ code: "CANCELLED" });
    }
  });
});
