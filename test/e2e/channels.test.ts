import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadNativeEngine } from "../../src/engine/native.ts";
import { createReferenceEngine } from "../../src/engine/reference/engine.ts";
import { encodeHello, HELLO_BYTES } from "../../src/format/own.ts";
import { attachGuest, listGuests } from "../../src/guest/open.ts";
import type { GuestSource } from "../../src/guest/types.ts";
import type { Connection } from "../../src/transport/connection.ts";
import { connect } from "../../src/transport/open.ts";
import { probePump } from "../../src/transport/pump-addon.ts";
import {
  isProven,
  makeRunDir,
  storesMore,
  type TestRunDir,
  unavailableKinds,
} from "../support/guests.ts";
import {
  createGuest,
  type MigrationChanges,
  migrateHere,
  openLink,
  tcpAddressOf,
} from "../support/migration.ts";

const { addon, reason } = probePump();
const isHere = addon !== undefined && !(await unavailableKinds(["process"])).has("process");

let place: TestRunDir;

beforeEach(async () => {
  place = await makeRunDir();
});

afterEach(async () => {
  await place.dispose();
});

/** Slow enough for channels to join in the first iteration, of a guest of this size. */
const SLOW = { bytesPerSecondMax: 60e6 };
const GUEST = "process:memory=24M,dirty=2000p,hot=25%,vcpus=2,fill=text";

/** A connection whose octets towards the receiver are what `change` makes of them. */
function changing(connection: Connection, change: (bytes: Buffer) => Buffer): Connection {
  const { sink } = connection;
  return {
    ...connection,
    sink: {
      get offset() {
        return sink.offset;
      },
      write: (...chunks) => sink.write(change(Buffer.concat(chunks))),
      end: () => sink.end(),
      abort: () => sink.abort(),
    },
  };
}

/** A connection that tells when the receiver has said the first thing. */
function answered(connection: Connection, onAnswer: () => void): Connection {
  const { source } = connection;
  return {
    ...connection,
    source: {
      get offset() {
        return source.offset;
      },
      exactly: async (byteCount) => {
        const bytes = await source.exactly(byteCount);
        onAnswer();
        return bytes;
      },
      some: (byteCountMax) => source.some(byteCountMax),
      close: () => source.close(),
    },
  };
}

async function migrateOver(guest: GuestSource, changes: MigrationChanges) {
  const { source, target } = await migrateHere(place.runDir, guest, {
    engine: loadNativeEngine(),
    ...SLOW,
    ...changes,
  });
  if (source.status !== "fulfilled") {
    throw source.reason;
  }
  return { ...source.value, target };
}

async function expectProvenThere() {
  expect(await listGuests(place)).toMatchObject([{ name: "guest" }]);
  const there = await attachGuest("guest", place);
  await storesMore(there, 20);
  expect(await isProven(there)).toBe(true);
  await there.cleanup();
}

describe.runIf(isHere)(`a migration between two of ours (${reason ?? "add-on"})`, () => {
  it.each([
    ["over three channels", { channels: 3, compression: "none" }],
    ["over the main channel with packed pages", { channels: 1, compression: "zstd" }],
    ["over two channels, packed where that is faster", { channels: 2, compression: "auto" }],
  ] as const)("%s, keeps every page", async (_what, channels) => {
    const guest = await createGuest(place.runDir, GUEST);
    await storesMore(guest, 50);
    const done = await migrateOver(guest, { channels });
    await guest.cleanup();
    const compression = addon?.hasZstd === true ? channels.compression : "none";
    expect(done).toMatchObject({ channels: channels.channels, compression });
    const pageBytes = done.iterations.reduce((sum, { bytes }) => sum + bytes, 0);
    expect(done.totalBytes).toBeGreaterThan(pageBytes);
    await expectProvenThere();
  });

  it("sends fewer octets where pages are packed", async () => {
    const guest = await createGuest(place.runDir, GUEST);
    const done = await migrateOver(guest, { channels: { channels: 1, compression: "zstd" } });
    await guest.cleanup();
    const [first] = done.iterations;
    expect(first!.pagesSent).toBe(6144);
    expect(first!.bytes / (6144 * 4096) < 0.6).toBe(addon?.hasZstd === true);
  });

  it("adds channels by itself", async () => {
    const guest = await createGuest(place.runDir, GUEST);
    const done = await migrateOver(guest, {
      channels: { channels: "auto", compression: "none" },
      bytesPerSecondMax: 30e6,
    });
    await guest.cleanup();
    expect(done.channels).toBeGreaterThan(1);
    await expectProvenThere();
  });

  it("goes on with those channels that could be opened", async () => {
    const guest = await createGuest(place.runDir, GUEST);
    const link = await openLink();
    let dialled = 0;
    const dial = async (signal: AbortSignal) => {
      if (dialled++ === 0) {
        throw new Error("no route");
      }
      return connect(tcpAddressOf(link.listener), signal);
    };
    const channels = { channels: 3, compression: "none" } as const;
    const done = await migrateOver(guest, { link, dial, channels });
    await guest.cleanup();
    expect(done.channels).toBe(2);
    await expectProvenThere();
  });

  it("stays with the stock stream where the receiver takes pages by events", async () => {
    const guest = await createGuest(place.runDir, GUEST);
    const channels = { channels: 3, compression: "zstd" } as const;
    const link = await openLink();
    const { source } = await migrateHere(place.runDir, guest, {
      link,
      engine: loadNativeEngine(),
      targetEngine: createReferenceEngine(),
      channels,
      ...SLOW,
    });
    expect(source).toMatchObject({ value: { channels: 1, compression: "none" } });
    await guest.cleanup();
    await expectProvenThere();
  });

  it("lets nobody in who does not know the token", async () => {
    const guest = await createGuest(place.runDir, GUEST);
    const link = await openLink();
    const dial = async (signal: AbortSignal) => {
      const connection = await connect(tcpAddressOf(link.listener), signal);
      return changing(connection, (bytes) =>
        bytes.length === HELLO_BYTES
          ? Buffer.from(encodeHello({ token: new Uint8Array(16), channel: 1 }))
          : bytes,
      );
    };
    const channels = { channels: 2, compression: "none" } as const;
    const done = await migrateOver(guest, { link, dial, channels });
    await guest.cleanup();
    expect(done.channels).toBe(1);
    await expectProvenThere();
  });

  it("leaves the guest running here when a channel breaks", async () => {
    const guest = await createGuest(place.runDir, GUEST);
    const link = await openLink();
    let joined: Connection | undefined;
    const dial = async (signal: AbortSignal) => {
      const connection = await connect(tcpAddressOf(link.listener), signal);
      return answered(connection, () => {
        joined = connection;
      });
    };
    const { source, target } = await migrateHere(place.runDir, guest, {
      link,
      dial,
      engine: loadNativeEngine(),
      channels: { channels: 2, compression: "none" },
      bytesPerSecondMax: 5e6,
      onProgress: ({ kind }) => {
        if (kind === "pages") {
          void joined?.close();
        }
      },
    });
    expect(source).toMatchObject({ reason: { code: "TRANSPORT_LOST" } });
    expect(target.status).toBe("rejected");
    expect(await listGuests(place)).toMatchObject([{ name: "guest" }]);
    await storesMore(guest, 20);
    expect(await isProven(guest)).toBe(true);
    await guest.cleanup();
  });
});
