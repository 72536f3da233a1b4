import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import net from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseGuestSpec } from "../../../src/guest/config.ts";
import { connectControl, controlAddress } from "../../../src/guest/control.ts";
import { attachGuest, listGuests, openBackend } from "../../../src/guest/open.ts";
import { openRegistry } from "../../../src/guest/registry.ts";
import {
  allPfns,
  bitsOf,
  isProven,
  makeRunDir,
  storesMore,
  type TestRunDir,
} from "../../support/guests.ts";

const SMALL = "synthetic:memory=4M,dirty=2000p,vcpus=2";

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(() => place.dispose());

async function create(spec = SMALL, mode: "running" | "paused" = "running") {
  return (await openBackend("synthetic", place)).create(parseGuestSpec(spec), mode);
}

async function entryOf(name: string) {
  return (await openRegistry(place.runDir)).find(name);
}

test("a guest outlives the program that made it", async () => {
  const moduleUrl = (file: string) => new URL(`../../../dist/guest/${file}.js`, import.meta.url);
  const program = `
    import { openBackend } from ${JSON.stringify(moduleUrl("open").href)};
    import { parseGuestSpec } from ${JSON.stringify(moduleUrl("config").href)};
    const backend = await openBackend("synthetic", { runDir: process.argv[1] });
    const guest = await backend.create(parseGuestSpec(${JSON.stringify(SMALL)}), "running");
    await guest.cleanup();`;
  const flags = ["--input-type=module", "--eval", program, place.runDir];
  const made = spawnSync(process.execPath, flags, { encoding: "utf8" });
  expect(made).toMatchObject({ status: 0, stderr: "" });
  const guest = await attachGuest("guest", place);
  await storesMore(guest, 10);
  expect(await isProven(guest)).toBe(true);
  await guest.cleanup();
});

test("signals of a terminal leave it as it is", async () => {
  const guest = await create();
  const { process: owner } = await entryOf("guest");
  for (const signal of ["SIGINT", "SIGHUP", "SIGQUIT", "SIGTSTP"] as const) {
    process.kill(owner.pid, signal);
  }
  await storesMore(guest, 10);
  await guest.cleanup();
});

test("it has no native add-on in its process", async () => {
  const guest = await create();
  await storesMore(guest, 1);
  const { process: owner } = await entryOf("guest");
  if (process.platform === "linux") {
    const maps = readFileSync(`/proc/${owner.pid}/maps`, "latin1");
    expect(maps).toContain("/node");
    expect(maps).not.toMatch(/\.node$/m);
  }
  await guest.cleanup();
});

test.each([
  ["half a line", "stat"],
  ["half of its octets", "write-pages count=1 bytes=4100\nabcd"],
  ["no line of the protocol", "\n\n=\n"],
  ["octets beyond all limits", "write-pages count=1 bytes=9999999999\n"],
])("a client that is gone after %s leaves it as it is", async (_, octets) => {
  const guest = await create();
  const { folder } = await entryOf("guest");
  const address = controlAddress(folder);
  const socket = net.createConnection({ path: address.path });
  await once(socket, "connect");
  address.release();
  socket.end(octets);
  socket.resume();
  await once(socket, "close");
  await storesMore(guest, 10);
  expect(await isProven(guest)).toBe(true);
  await guest.cleanup();
});

test("requests that make no sense are refused by code", async () => {
  const guest = await create();
  const client = await connectControl((await entryOf("guest")).folder, "guest");
  const ask = (verb: string, fields = {}, payload = new Uint8Array()) =>
    client.request(verb, fields, { payload });
  const refused = (code: string) => expect.objectContaining({ code });
  await expect(ask("explode")).rejects.toThrow(refused("GUEST_PROTOCOL"));
  await expect(ask("constructor")).rejects.toThrow(refused("GUEST_PROTOCOL"));
  await expect(ask("start")).rejects.toThrow(refused("GUEST_PROTOCOL"));
  await expect(ask("state")).rejects.toThrow(refused("GUEST_STATE"));
  await expect(ask("set-state", { v0: "1,2,3,4,5,6" })).rejects.toThrow(refused("GUEST_STATE"));
  await expect(ask("write-pages", { count: 0 })).rejects.toThrow(refused("GUEST_STATE"));
  await ask("suspend");
  const short = ask("write-pages", { count: 2 }, new Uint8Array(12));
  await expect(short).rejects.toThrow(refused("GUEST_PROTOCOL"));
  await expect(ask("read-pages", {}, new Uint8Array(3))).rejects.toThrow(refused("GUEST_PROTOCOL"));
  const outside = ask("read-pages", {}, new Uint8Array(Uint32Array.of(1024).buffer));
  await expect(outside).rejects.toThrow(refused("GUEST_PFN_RANGE"));
  client.close();
  await guest.cleanup();
});

test("state that no vCPU could have is refused, and another try is taken", async () => {
  const config = { ...parseGuestSpec(`${SMALL},hot=16K,pattern=sequential`), name: "sink" };
  const sink = await (await openBackend("synthetic", place)).prepare(config);
  const client = await connectControl((await entryOf("sink")).folder, "sink");
  const refused = expect.objectContaining({ code: "GUEST_STATE" });
  const good = "0,0,0,9,1,0";
  for (const states of [
    { v0: good },
    { v0: good, v1: good, v2: good },
    { v0: good, v1: "0,0,0,9,2,0" },
    { v0: good, v1: "0,0,0,9,1" },
    { v0: good, v1: "0,0,0,9,-1,0" },
  ]) {
    await expect(client.request("set-state", states)).rejects.toThrow(refused);
  }
  await expect(client.request("start", { mode: "running" })).rejects.toThrow(refused);
  await client.request("set-state", { v0: good, v1: good });
  await sink.start("paused");
  client.close();
  await sink.cleanup();
});

test("more memory than WebAssembly has is refused before anything is made", async () => {
  const tooLarge = create("synthetic:memory=4G");
  await expect(tooLarge).rejects.toThrow(
    expect.objectContaining({
      code: "GUEST_CONFIG",
      where: expect.objectContaining({
        key: "memory",
        reason: "a synthetic guest has at most 4095 MiB of memory",
      }),
    }),
  );
  expect(await listGuests(place)).toEqual([]);
});

test("an odd number of pages, and more vCPUs than pages in the working set", async () => {
  const spec = "synthetic:memory=268K,vcpus=4,hot=8K,dirty=2000p,fill=zero";
  const guest = await create(spec, "paused");
  await guest.logDirty.enable();
  await guest.resume();
  let { vcpus } = await guest.status();
  while (vcpus.slice(0, 2).some(({ stores }) => stores === 0n)) {
    ({ vcpus } = await guest.status());
  }
  await guest.suspend();
  expect((await guest.status()).vcpus.slice(2)).toEqual(
    Array(2).fill({ stores: 0n, reads: 0n, faults: 0n }),
  );
  const bitmap = new Uint8Array(16);
  expect(await guest.logDirty.cleanDirty(bitmap)).toBe(2);
  expect([...bitsOf(bitmap)]).toEqual([32, 33]);
  expect(allPfns(guest).length).toBe(67);
  expect(await isProven(guest)).toBe(true);
  await guest.cleanup();
});

test("an idle guest stops at once and is proved", async () => {
  const guest = await create("synthetic:memory=4M,dirty=0");
  await guest.suspend();
  expect(await isProven(guest)).toBe(true);
  expect(await guest.status()).toMatchObject({ vcpus: [{ stores: 0n, reads: 0n }] });
  await guest.cleanup();
});

test("a guest stopped as soon as it was started has stopped", async () => {
  const guest = await create(SMALL, "paused");
  for (let turn = 0; turn < 100; turn += 1) {
    await Promise.all([guest.resume(), guest.suspend()]);
  }
  const stopped = await guest.status();
  expect(stopped.runState).toBe("suspended");
  expect(await isProven(guest)).toBe(true);
  expect(await guest.status()).toEqual(stopped);
  await guest.resume();
  await storesMore(guest, 1);
  await guest.cleanup();
});
