import { describe, expect, it } from "vitest";
import type { SourceHandshake } from "../../src/migration/handshake.ts";
import type { PumpExtras, SendPump } from "../../src/migration/pump.ts";
import { type ChannelOptions, SourceChannels } from "../../src/migration/source-channels.ts";
import { BufferedSource } from "../../src/transport/buffered-source.ts";
import type { Connection } from "../../src/transport/connection.ts";

const TOKEN = new Uint8Array(16).fill(3);

/** A hand-shake whose target lets the source use `channels` channels. */
function answering(channels: number): SourceHandshake {
  const never = () => Promise.reject(new Error("not asked for here"));
  return {
    awaitBanner: never,
    awaitAnswer: async () => ({ channels, zstd: true, token: TOKEN }),
    awaitReady: never,
    permit: never,
    awaitReport: never,
    awaitPermissionBack: never,
  };
}

const sink = {
  offset: 0,
  write: async () => undefined,
  end: async () => undefined,
  abort: async () => undefined,
};

/** A connection on which the target says that the channel has joined. */
async function dial(): Promise<Connection> {
  const source = new BufferedSource([Buffer.from("XFjoined")]);
  return { source, sink, peer: "there", close: async () => undefined };
}

/**
 * Offers to a target of 8 channels, with a pump whose rate is `rateOf` the number of channels; each
 * look at its counter and each look at the clock is one step on.
 */
async function channelsUsed(options: ChannelOptions, rateOf: (channels: number) => number) {
  let channels = 1;
  let bytes = 0;
  let steps = 0;
  const modes: string[] = [];
  const extras: PumpExtras = {
    hasZstd: true,
    get bytesSent() {
      bytes += rateOf(channels);
      return bytes;
    },
    pack: (compression) => modes.push(compression),
    join: () => {
      channels++;
    },
  };
  const pump: SendPump = {
    name: "native",
    directBytes: 0,
    extras,
    drain: async () => undefined,
    send: () => Promise.reject(new Error("unused")),
  };
  const source = new SourceChannels({
    handshake: answering(8),
    options,
    dial,
    clock: { nowMs: () => steps++ },
    onProgress: () => undefined,
  });
  await source.offer(sink, pump);
  await source.settled();
  await source.close();
  return { ...source.used, joined: channels, modes };
}

describe("channels of the source", () => {
  it("are as many as were asked for", async () => {
    const used = await channelsUsed({ channels: 4, compression: "zstd" }, () => 1);
    expect(used).toEqual({ channels: 4, compression: "zstd", joined: 4, modes: ["zstd"] });
  });

  it.each([
    ["none helps", () => 1, 2],
    ["two are faster than one", (channels: number) => Math.min(channels, 2), 3],
    ["each helps", (channels: number) => channels, 8],
    ["the fourth brings less than a tenth", (channels: number) => 10 + Math.log(channels), 2],
  ])("are added until one does not help: %s", async (_what, rateOf, expected) => {
    const used = await channelsUsed({ channels: "auto", compression: "none" }, rateOf);
    expect(used).toMatchObject({ channels: expected, joined: expected, modes: [] });
  });
});
