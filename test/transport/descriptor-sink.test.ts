import { execFileSync } from "node:child_process";
import { closeSync, constants, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { descriptorSink } from "../../src/transport/descriptor-sink.ts";
import { DescriptorSource } from "../../src/transport/descriptor-source.ts";
import { probePump } from "../../src/transport/pump-addon.ts";

const { addon, reason } = probePump();

/** More than a pipe or socket holds. */
const MUCH = Buffer.alloc(1 << 20, 0x5a);

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "xenferry-sink-"));
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

describe.skipIf(addon === undefined)(`descriptorSink (${reason ?? "add-on"})`, () => {
  /** A reading and a writing end, and a second writing end for who goes on afterwards. */
  function link(kind: "pipe" | "socket") {
    if (kind === "socket") {
      const [reader, writer] = addon!.link() as readonly [number, number];
      return { reader, writer, next: addon!.duplicate(writer) };
    }
    const fifo = path.join(folder, "fifo");
    execFileSync("mkfifo", [fifo]);
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(fifo, constants.O_WRONLY);
    return { reader, writer, next: addon!.duplicate(writer) };
  }

  describe.each(["pipe", "socket"] as const)("of a %s", (kind) => {
    it("writes all, and leaves the end to who goes on", async () => {
      const { reader, writer, next } = link(kind);
      const source = new DescriptorSource(addon!, reader);
      const sink = descriptorSink(writer);
      const written = sink.write(MUCH, Buffer.from("end")).then(() => sink.end());
      expect(Buffer.from(await source.exactly(MUCH.length + 3)).subarray(-4)).toEqual(
        Buffer.from("Zend"),
      );
      await written;
      expect(sink.offset).toBe(MUCH.length + 3);
      writeSync(next, "more");
      closeSync(next);
      expect(Buffer.from(await source.exactly(4)).toString()).toBe("more");
      expect(await source.some(1)).toBeUndefined();
      await source.close();
      closeSync(reader);
    });

    it("gives up on a peer that does not read", async () => {
      const { reader, writer, next } = link(kind);
      const sink = descriptorSink(writer);
      const write = sink.write(MUCH);
      await sink.abort();
      await expect(write).rejects.toMatchObject({ code: "TRANSPORT_LOST" });
      closeSync(next);
      closeSync(reader);
    });

    it("says that the peer is gone", async () => {
      const { reader, writer, next } = link(kind);
      const sink = descriptorSink(writer);
      closeSync(reader);
      await expect(sink.write(MUCH)).rejects.toMatchObject({ code: "TRANSPORT_LOST" });
      await sink.abort();
      closeSync(next);
    });

    it("has a descriptor for pumps while nothing is under way", async () => {
      const { reader, writer, next } = link(kind);
      const sink = descriptorSink(writer);
      expect(sink.direct).toMatchObject({ isPositioned: false });
      writeSync(sink.direct!.fd, "x");
      sink.direct!.advance(1);
      expect(sink.offset).toBe(1);
      const write = sink.write(MUCH);
      expect(sink.direct).toBeUndefined();
      await sink.abort();
      await write.catch(() => undefined);
      closeSync(next);
      closeSync(reader);
    });
  });

  it("goes on in a file where its descriptor stands", async () => {
    const file = path.join(folder, "image");
    const fd = openSync(file, "w");
    writeSync(fd, "libxl's head, ");
    const shared = addon!.duplicate(fd);
    const sink = descriptorSink(fd);
    const chunks = Array.from({ length: 3000 }, (_, index) => Buffer.from([index & 0xff]));
    await Promise.all([sink.write(...chunks), sink.write(Buffer.from("!"))]);
    writeSync(sink.direct!.fd, "pages");
    sink.direct!.advance(5);
    await sink.end();
    await sink.abort();
    writeSync(shared, ", libxl's end");
    closeSync(shared);
    const expected = ["libxl's head, ", ...chunks, "!pages, libxl's end"].map((part) =>
      Buffer.from(part),
    );
    expect(readFileSync(file)).toEqual(Buffer.concat(expected));
    expect(sink.offset).toBe(3006);
  });

  it("says what a full disk is", async () => {
    const sink = descriptorSink(openSync("/dev/full", "w"));
    await expect(sink.write(MUCH)).rejects.toMatchObject({
      code: "TRANSPORT_LOST",
      cause: { code: "ENOSPC" },
    });
    await sink.abort();
  });

  it("refuses what is no descriptor", () => {
    expect(() => descriptorSink(1 << 20)).toThrow("[TRANSPORT_OPEN]");
  });

  it("leaves to others what a source did not ask for, in a file too", async () => {
    const file = path.join(folder, "image");
    const fd = openSync(file, "w+");
    writeSync(fd, "head, body, end");
    closeSync(fd);
    const reader = openSync(file, "r");
    readSync(reader, Buffer.alloc(6));
    const source = new DescriptorSource(addon!, reader);
    expect(Buffer.from(await source.exactly(4)).toString()).toBe("body");
    await source.close();
    const rest = Buffer.alloc(8);
    expect(rest.toString("utf8", 0, readSync(reader, rest))).toBe(", end");
    closeSync(reader);
  });
});
