import { constants } from "node:os";
import { describe, expect, test } from "vitest";
import { RECORDED, recordedTrace, type TraceLine } from "../support/helper-trace.ts";
import { FakeLibxl, type HelperScript, type LibxlMessage } from "../support/libxl.ts";

const SAVE = ["--save-domain", "3", "-1", "7", "1", "136", "0"];
const RESTORE = ["--restore-domain", "3", "-1", "7", "1", "0", "2", "0", "768", "0"];

const LEVELS: Readonly<Record<number, string>> = { 1: "debug", 3: "detail", 5: "info", 8: "error" };
const NO_ERRNO = 0xffff_ffff;

const { EINTR, EINVAL, EIO, ENOSPC } = constants.errno;

const STARTED = { level: "info", context: "xc", text: "under way" };
const LOG_DIRTY_ON = [["switchQemuLogdirty", 7, "on"]];

/** A save as it usually goes; log-dirty is switched off in any case. */
const LIVE_SAVE = {
  steps: [
    ...LOG_DIRTY_ON,
    ["suspend"],
    ["progress", { context: "xc", what: "Domain now suspended", done: 0, total: 0 }],
  ],
  cleanup: [["switchQemuLogdirty", 7, "off"]],
};

/** A libxl that does as it is asked. */
const WILLING = { suspend: 1, switch_qemu_logdirty: 0 };

type RecordedMessage = Extract<TraceLine, { kind: "message" }>;

/** What the program says by itself, in words of its own. */
function isOwn({ name, values }: { readonly name: string; readonly values: readonly unknown[] }) {
  return name === "log" && ["libxl-save-helper", "xenferry"].includes(String(values[2]));
}

/** The recorded conversation as steps of a backend. */
function scriptOf(lines: readonly TraceLine[]): HelperScript {
  const messages = lines.filter((line): line is RecordedMessage => line.kind === "message");
  const results = messages.find(({ name }) => name === "restore_results")?.values;
  return {
    steps: messages.filter((message) => !isOwn(message)).flatMap(stepOf),
    results: [Number(results?.[0] ?? 0), Number(results?.[1] ?? 0)],
  };
}

function stepOf({ name, values }: RecordedMessage): readonly (readonly unknown[])[] {
  const [first, second, third, fourth] = values;
  switch (name) {
    case "log": {
      const errno = second === NO_ERRNO ? {} : { errno: second };
      return [["log", { level: LEVELS[Number(first)], context: third, text: fourth, ...errno }]];
    }
    case "progress":
      return [["progress", { context: first, what: second, done: third, total: fourth }]];
    case "suspend":
      return [["suspend"]];
    case "switch_qemu_logdirty":
      return [["switchQemuLogdirty", first, second === 1 ? "on" : "off"]];
    case "static_data_done":
      return [["staticDataDone", { cpuid: false, msr: false }]];
    default:
      // The results and the end are the program's.
      return [];
  }
}

describe("the program", () => {
  test.each(RECORDED)("has the conversation that was recorded: %s", async (name) => {
    const lines = recordedTrace(name);
    const args = name === "pvh-restore" ? RESTORE : SAVE;
    const libxl = new FakeLibxl({ args, script: scriptOf(lines), pipes: "real" });
    for (const line of lines) {
      if (line.kind === "answer") {
        libxl.answer(line.value);
      } else if (!isOwn(line)) {
        const message = await nextForeign(libxl);
        expect(message).toMatchObject({ name: line.name, values: line.values });
        if (line.hex !== undefined) {
          expect(line.hex.slice(4)).toBe(message?.hex);
        }
      }
    }
    libxl.hangUp();
    expect(await libxl.next()).toBeUndefined();
    expect(await libxl.ended).toBe(0);
    expect(await libxl.stderr).toBe("");
  });

  test("says what a restore needs, also when it failed", async () => {
    const good = new FakeLibxl({ args: RESTORE, script: { results: [0xfeffc, 0xfefff] } });
    expect(endOf(await good.finish())).toEqual([
      ["restore_results", 0xfeffc, 0xfefff],
      ["complete", 0, 0],
    ]);
    const bad = new FakeLibxl({ args: RESTORE, script: { steps: [["fail", ENOSPC]] } });
    expect(endOf(await bad.finish())).toEqual([
      ["restore_results", 0, 0],
      ["complete", -1, ENOSPC],
    ]);
    expect(await bad.ended).toBe(0);
  });

  test("takes answers in pieces", async () => {
    const steps = [["suspend"], ["switchQemuLogdirty", 7, "off"]];
    const libxl = new FakeLibxl({ args: SAVE, script: { steps } });
    await libxl.until("suspend");
    for (const octet of [1, 0, 0, 0]) {
      libxl.write(Uint8Array.of(octet));
    }
    expect(endOf(await libxl.finish({ switch_qemu_logdirty: 0 }))).toEqual([
      ["switch_qemu_logdirty", 7, 0],
      ["complete", 0, 0],
    ]);
  });
});

describe("a failure is told, with exit status 0", () => {
  test.each([
    { refused: "suspend", answers: { switch_qemu_logdirty: 0, suspend: 0 } },
    { refused: "switch_qemu_logdirty", answers: { switch_qemu_logdirty: -1, suspend: 1 } },
  ])("when libxl refuses: $refused", async ({ refused, answers }) => {
    const libxl = new FakeLibxl({ args: SAVE, script: LIVE_SAVE });
    const messages = await libxl.finish(answers);
    expect(errorsIn(messages)).toEqual([
      expect.stringContaining(`callback ${refused}, answer ${Object(answers)[refused]})`),
    ]);
    expect(endOf(messages).slice(-2)).toEqual([
      ["switch_qemu_logdirty", 7, 0],
      ["complete", -1, EIO],
    ]);
    expect(await libxl.ended).toBe(0);
    expect(await libxl.stderr).toBe("");
  });

  test("when libxl does not offer a callback, which is then not called", async () => {
    const args = SAVE.with(5, "8");
    const libxl = new FakeLibxl({ args, script: { steps: [["switchQemuLogdirty", 7, "on"]] } });
    const messages = await libxl.finish();
    expect(errorsIn(messages)).toEqual([expect.stringContaining("[HELPER_CALLBACK_ABSENT]")]);
    expect(endOf(messages)).toEqual([["complete", -1, EIO]]);
    expect(await libxl.ended).toBe(0);
  });

  test("when libxl answers what no libxl answers", async () => {
    const libxl = new FakeLibxl({ args: SAVE, script: { steps: [["suspend"]] } });
    const messages = await libxl.finish({ suspend: 7 });
    expect(errorsIn(messages)).toEqual([expect.stringContaining("answer 7) [HELPER_ANSWER]")]);
    expect(endOf(messages)).toEqual([["suspend"], ["complete", -1, EIO]]);
  });

  test("when a setting is wrong", async () => {
    const environment = { XENFERRY_DOWNTIME_MS: "soon" };
    const libxl = new FakeLibxl({ args: SAVE, script: LIVE_SAVE, environment });
    const messages = await libxl.finish();
    expect(errorsIn(messages)).toEqual([expect.stringContaining("setting XENFERRY_DOWNTIME_MS")]);
    expect(endOf(messages)).toEqual([["complete", -1, EINVAL]]);
    expect(await libxl.ended).toBe(0);
  });
});

describe("SIGTERM has the guest put back, and the failure told", () => {
  test.each([
    { phase: "before anything", steps: [["log", STARTED], ["wait"]], until: "log" },
    { phase: "in pre-copy", steps: [...LOG_DIRTY_ON, ["log", STARTED], ["wait"]], until: "log" },
    { phase: "when suspended", steps: [...LIVE_SAVE.steps, ["wait"]], until: "progress" },
  ])("$phase", async ({ steps, until }) => {
    const libxl = new FakeLibxl({ args: SAVE, script: { ...LIVE_SAVE, steps } });
    await libxl.until("log");
    await abortAt(libxl, until);
    const messages = await libxl.finish(WILLING);
    expect(errorsIn(messages)).toEqual([expect.stringContaining("[MIGRATION_INTERRUPTED]")]);
    expect(endOf(messages).slice(-2)).toEqual([
      ["switch_qemu_logdirty", 7, 0],
      ["complete", -1, EINTR],
    ]);
    expect(await libxl.ended).toBe(0);
  });

  test("while libxl is suspending it", async () => {
    const steps = [["suspend"], ["wait"]];
    const libxl = new FakeLibxl({ args: SAVE, script: { ...LIVE_SAVE, steps } });
    await libxl.until("suspend");
    libxl.child.kill("SIGTERM");
    libxl.answer(0);
    const messages = await libxl.finish(WILLING);
    expect(errorsIn(messages)).toEqual([
      expect.stringContaining("[MIGRATION_INTERRUPTED]"),
      expect.stringMatching(/^because: .*callback suspend, answer 0/),
    ]);
    expect(endOf(messages)).toEqual([
      ["switch_qemu_logdirty", 7, 0],
      ["complete", -1, EINTR],
    ]);
  });

  test("of a restore", async () => {
    const script = { steps: [["log", STARTED], ["wait"]] };
    const libxl = new FakeLibxl({ args: RESTORE, script });
    await abortAt(libxl, "log");
    expect(endOf(await libxl.finish())).toEqual([
      ["restore_results", 0, 0],
      ["complete", -1, EINTR],
    ]);
    expect(await libxl.ended).toBe(0);
  });
});

describe("without libxl the guest is put back, and the status is not 0", () => {
  test.each([
    { when: "at work", steps: [["log", STARTED], ["wait"]], until: "log" },
    { when: "waiting for an answer", steps: [["suspend"]], until: "suspend" },
  ])("$when", async ({ steps, until }) => {
    const libxl = new FakeLibxl({ args: SAVE, script: { steps } });
    await libxl.until("log");
    await libxl.until(until);
    libxl.leave();
    expect(await libxl.ended).toBe(1);
    expect(await libxl.stderr).toContain("[HELPER_LIBXL_GONE]");
  });

  test("which says what was not asked", async () => {
    const libxl = new FakeLibxl({ args: SAVE, script: { steps: [["wait"]] } });
    await libxl.until("log");
    libxl.answer(1);
    expect(await libxl.ended).toBe(1);
    expect(await libxl.stderr).toContain("(unaskedBytes 4) [HELPER_ANSWER]");
  });
});

describe("the program as it is shipped", () => {
  test("says what it wants when somebody else starts it", async () => {
    const libxl = new FakeLibxl({ args: ["--help"] });
    expect(await libxl.ended).toBe(2);
    expect(await libxl.stderr).toContain("(mode --help) [HELPER_ARGUMENTS]");
  });

  test("is executable, and tells libxl where Xen is missing", async () => {
    const libxl = new FakeLibxl({ args: SAVE });
    const messages = await libxl.finish();
    expect(errorsIn(messages)[0]).toContain("[GUEST_UNAVAILABLE]");
    expect(endOf(messages)).toEqual([["complete", -1, EIO]]);
    expect(await libxl.ended).toBe(0);
  });
});

/** Messages that are no words for people, from the last few on. */
function endOf(messages: readonly LibxlMessage[]) {
  return messages
    .filter(({ name }) => name !== "log" && name !== "progress")
    .map(({ name, values }) => [name, ...values]);
}

function errorsIn(messages: readonly LibxlMessage[]): readonly string[] {
  return messages
    .filter(({ name, values }) => name === "log" && values[0] === 8)
    .map(({ values }) => String(values[3]));
}

/** Sends SIGTERM when the helper has said `name`, agreeing to what it asks before. */
async function abortAt(libxl: FakeLibxl, name: string): Promise<void> {
  for (;;) {
    const message = await libxl.next();
    const answer = Object(WILLING)[message?.name ?? name];
    if (answer !== undefined) {
      libxl.answer(answer);
    }
    if (message === undefined || message.name === name) {
      libxl.child.kill("SIGTERM");
      return;
    }
  }
}

async function nextForeign(libxl: FakeLibxl) {
  for (;;) {
    const message = await libxl.next();
    if (message === undefined || !isOwn(message)) {
      return message;
    }
  }
}
