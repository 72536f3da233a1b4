/**
 * The save helper's program with a backend that follows a script instead of saving a guest.
 *
 * TEST_STEPS is a list of steps, each a list of a word and its arguments: a method of the channel
 * ("suspend", …), or "wait" for the abort, "write" hexadecimal digits to the stream, "take" octets
 * of it, "fail" with the error of a call, "tell" what a method of the reporter takes. TEST_CLEANUP
 * are steps that are taken whatever happened. TEST_RESULTS are the two frames that a restore gives,
 * and TEST_RESTORE_STEPS its steps where they differ.
 */
import { once } from "node:events";
import { readSync, writeSync } from "node:fs";
import { runHelperProcess } from "#dist/helper/process.js";

const { TEST_STEPS = "[]", TEST_CLEANUP = "[]", TEST_RESULTS = "[0, 0]" } = process.env;
const { TEST_RESTORE_STEPS = TEST_STEPS } = process.env;

async function follow(job, steps = TEST_STEPS) {
  try {
    for (const step of JSON.parse(steps)) {
      await take(step, job);
    }
  } finally {
    for (const step of JSON.parse(TEST_CLEANUP)) {
      await take(step, job);
    }
  }
}

async function take([word, ...values], { channel, reporter, signal, streamFd }) {
  switch (word) {
    case "wait":
      if (!signal.aborted) {
        await once(signal, "abort");
      }
      throw signal.reason;
    case "write":
      writeSync(streamFd, Buffer.from(values[0], "hex"));
      return;
    case "take":
      readSync(streamFd, Buffer.alloc(values[0]), 0, values[0], null);
      return;
    case "tell":
      reporter[values[0]](...values.slice(1));
      return;
    case "fail":
      throw Object.assign(new Error("a call failed"), { errno: -values[0] });
    default:
      await channel[word](...values);
  }
}

await runHelperProcess(async () => ({
  save: (job) => follow(job),
  restore: async (job) => {
    await follow(job, TEST_RESTORE_STEPS);
    const [storeGfn, consoleGfn] = JSON.parse(TEST_RESULTS).map(BigInt);
    return { storeGfn, consoleGfn };
  },
}));
