import { PassThrough } from "node:stream";
import { describe, expect, test } from "vitest";
import { LibxlChannel } from "../../src/helper/libxl-channel.ts";
import { ProgressFilter } from "../../src/helper/progress-filter.ts";

const ALL_CALLBACKS = 0x3f8;

function openChannel(callbackFlags = ALL_CALLBACKS) {
  const answers = new PassThrough();
  const messages = new PassThrough();
  const clock = { nowMs: () => 0 };
  const pipes = { input: answers, output: messages };
  const channel = new LibxlChannel(pipes, { callbackFlags, clock });
  return { channel, answers, messages };
}

const answersOf = (...values: readonly number[]) =>
  Buffer.from(new Uint8Array(Int32Array.from(values).buffer));

describe("answers", () => {
  test("belong to the questions in their order, however they arrive", async () => {
    for (const cut of [0, 1, 3, 4, 5, 8, 11, 12]) {
      const { channel, answers } = openChannel();
      const asked = [channel.postcopy(), channel.checkpoint(), channel.waitCheckpoint()];
      const octets = answersOf(1, 2, 0);
      answers.write(octets.subarray(0, cut));
      answers.write(octets.subarray(cut));
      expect(await Promise.all(asked)).toEqual(["go-on", "take-over", "end"]);
    }
  });

  test("of static data say yes or no", async () => {
    const { channel, answers, messages } = openChannel();
    const done = channel.staticDataDone({ cpuid: true, msr: true });
    answers.write(answersOf(0));
    await done;
    expect(messages.read()).toEqual(Buffer.from("0600080003000000", "hex"));
    const refused = channel.staticDataDone({ cpuid: false, msr: true });
    answers.write(answersOf(-1));
    await expect(refused).rejects.toMatchObject({ code: "HELPER_CALLBACK_REFUSED" });
  });

  test("that are none fail one question, or all", async () => {
    const { channel, answers } = openChannel();
    const first = channel.checkpoint();
    answers.write(answersOf(3));
    await expect(first).rejects.toMatchObject({ code: "HELPER_ANSWER", where: { answer: 3 } });
    expect(channel.lost.aborted).toBe(false);
    const second = channel.checkpoint();
    answers.write(answersOf(1, 1));
    expect(await second).toBe("go-on");
    expect(channel.lost.reason).toMatchObject({ code: "HELPER_ANSWER" });
    await expect(channel.checkpoint()).rejects.toMatchObject({ code: "HELPER_ANSWER" });
  });
});

describe("a channel without libxl", () => {
  test("fails questions under way and later ones; words are lost quietly", async () => {
    const { channel, answers } = openChannel();
    const asked = channel.suspend();
    answers.end();
    await expect(asked).rejects.toMatchObject({ code: "HELPER_LIBXL_GONE" });
    await expect(channel.complete({ returnValue: 0, errno: 0 })).rejects.toMatchObject({
      code: "HELPER_LIBXL_GONE",
    });
    channel.log({ level: "info", context: "xc", text: "nobody reads this" });
    channel.progress({ context: "xc", what: "Frames", done: 0, total: 1 });
    expect(channel.lost.aborted).toBe(true);
  });

  test("notices that messages cannot be written", async () => {
    const { channel, messages } = openChannel();
    messages.destroy(new Error("EPIPE"));
    await expect(channel.suspend()).rejects.toMatchObject({ code: "HELPER_LIBXL_GONE" });
  });
});

describe("callbacks", () => {
  test("are called only where libxl offers them", async () => {
    const { channel, messages } = openChannel(0b1000_1000);
    expect(channel.offers("suspend")).toBe(true);
    expect(channel.offers("switch_qemu_logdirty")).toBe(true);
    const results = { storeGfn: 1n, consoleGfn: 2n };
    expect(() => channel.restoreResults(results)).toThrow("[HELPER_CALLBACK_ABSENT]");
    for (const call of ["postcopy", "checkpoint", "waitCheckpoint"] as const) {
      await expect(channel[call]()).rejects.toMatchObject({ code: "HELPER_CALLBACK_ABSENT" });
    }
    expect(messages.read()).toBeNull();
  });
});

describe("progress", () => {
  test("is not told any more where libxl does not read", () => {
    const { channel, messages } = openChannel();
    for (let count = 0; count < 10_000; count++) {
      channel.progress({ context: "xc", what: `Frames iteration ${count}`, done: 0, total: 1 });
    }
    expect(messages.writableLength + messages.readableLength).toBeLessThan(200_000);
  });

  test("held back is told before a question", async () => {
    const { channel, answers, messages } = openChannel();
    for (const done of [0, 1, 2]) {
      channel.progress({ context: "xc", what: "Frames", done, total: 9 });
    }
    answers.write(answersOf());
    const asked = channel.postcopy();
    const octets: Buffer = messages.read();
    const doneOfEach = [0, 1].map((index) => octets.readBigUInt64LE(index * 38 + 22));
    expect(doneOfEach).toEqual([0n, 2n]);
    expect(octets.subarray(76).toString("hex")).toBe("02000400");
    answers.write(answersOf(1));
    await asked;
  });

  test("is told at the first and the last, and ten times a second", () => {
    let nowMs = 0;
    const filter = new ProgressFilter({ nowMs: () => nowMs });
    const told = Array.from({ length: 1001 }, (_, done) => {
      nowMs = done;
      return filter.accept({ context: "xc", what: "Frames", done, total: 1000 });
    });
    expect(told.flat().map(({ done }) => done)).toEqual([
      0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000,
    ]);
  });

  test("of one thing ends before the next begins", () => {
    const filter = new ProgressFilter({ nowMs: () => 0 });
    const report = (what: string, done: number) => ({ context: "xc", what, done, total: 5 });
    filter.accept(report("a", 0));
    expect(filter.accept(report("a", 3))).toEqual([]);
    expect(filter.accept(report("b", 0))).toEqual([report("a", 3), report("b", 0)]);
    expect(filter.flush()).toEqual([]);
  });
});
