import { MigrationError } from "../../base/errors.ts";
import { PAGE_BYTES } from "../../base/units.ts";
import { type ControlFields, numberField, textField } from "../control.ts";
import { decodeGuestState, encodeHvmState } from "../hvm-state.ts";
import type { VcpuCounters } from "../types.ts";
import type { VcpuState } from "../workload.ts";
import { STATE_WORDS } from "./layout.ts";
import type { Machine } from "./machine.ts";
import type { ControlAnswer, ControlRequest } from "./server.ts";

const NANOSECONDS_PER_MS = 1e6;

const THROTTLE_PERCENT_MAX = 99;

type Verb = (machine: Machine, request: ControlRequest) => ControlAnswer | Promise<ControlAnswer>;

/** What a synthetic guest answers; the first part as the native guest program does. */
const VERBS: Readonly<Record<string, Verb>> = {
  status: (machine) => ({
    fields: { state: machine.runState, ...counterFields(machine.states()) },
  }),
  suspend: (machine) => stop(machine, "suspended"),
  pause: (machine) => stop(machine, "paused"),
  start: (machine, { fields }) => start(machine, textField(fields, "mode")),
  state: (machine) => {
    refuseIn(machine, "running");
    return { fields: stateFields(machine.states()) };
  },
  "set-state": setState,
  check,
  throttle: (machine, { fields }) => throttle(machine, numberField(fields, "percent")),

  "log-dirty": (machine, { fields }) => {
    if (textField(fields, "mode") === "on") {
      machine.enableLogDirty();
    } else {
      machine.disableLogDirty();
    }
    return {};
  },
  "clean-dirty": (machine) => bitmapAnswer(machine, (bitmap) => machine.cleanDirty(bitmap)),
  "peek-dirty": (machine) => ({ fields: { pages: machine.peekDirty() } }),
  populated: (machine) => bitmapAnswer(machine, (bitmap) => machine.populated(bitmap)),
  "read-pages": (machine, { payload }) => {
    const pfns = pfnsOf(payload, payload.length / Uint32Array.BYTES_PER_ELEMENT);
    const pages = new Uint8Array(pfns.length * PAGE_BYTES);
    machine.readPages(pfns, pages);
    return { payload: pages };
  },
  "write-pages": (machine, { fields, payload }) => {
    refuseIn(machine, "running");
    const pfns = pfnsOf(payload, numberField(fields, "count"));
    machine.writePages(pfns, pagesOf(payload, pfns));
    return {};
  },
};

/**
 * Answers a request to the guest on `machine`; `destroy` is the caller's.
 *
 * @throws MigrationError GUEST_PROTOCOL an unknown verb or a malformed request, GUEST_STATE not in
 *   this run state, GUEST_PFN_RANGE
 */
export function answerVerb(
  machine: Machine,
  request: ControlRequest,
): ControlAnswer | Promise<ControlAnswer> {
  const verb = Object.hasOwn(VERBS, request.verb) ? VERBS[request.verb] : undefined;
  if (verb === undefined) {
    throw new MigrationError("GUEST_PROTOCOL", { verb: request.verb });
  }
  return verb(machine, request);
}

async function stop(machine: Machine, into: "suspended" | "paused"): Promise<ControlAnswer> {
  refuseIn(machine, "incoming");
  await machine.stop(into);
  return {};
}

async function start(machine: Machine, mode: string): Promise<ControlAnswer> {
  refuseIn(machine, "incoming");
  if (mode === "running") {
    machine.run();
  } else {
    await machine.stop("paused");
  }
  return {};
}

async function setState(machine: Machine, { fields }: ControlRequest): Promise<ControlAnswer> {
  if (machine.runState !== "incoming") {
    throw new MigrationError("GUEST_STATE", { runState: machine.runState });
  }
  const states = Array.from({ length: fields.size }, (_, vcpu) =>
    stateOf(textField(fields, `v${vcpu}`)),
  );
  // The records' own rules hold for whatever comes this way.
  machine.setStates(decodeGuestState(encodeHvmState(states), machine.config));
  await machine.stop("suspended");
  return {};
}

/** Ends with the client that asked for it. */
function throttle(machine: Machine, percent: number): ControlAnswer {
  if (!Number.isInteger(percent) || percent < 0 || percent > THROTTLE_PERCENT_MAX) {
    throw new MigrationError("GUEST_STATE", { reason: "no percentage from 0 to 99", percent });
  }
  machine.throttle(percent);
  return percent === 0 ? {} : { onGone: () => machine.throttle(0) };
}

async function check(machine: Machine): Promise<ControlAnswer> {
  const { pagesChecked, pagesBad, badPfns, versionsMatch, vcpus, pauseMs } = await machine.check();
  return {
    fields: {
      pages: pagesChecked,
      bad: pagesBad,
      badPfns: badPfns.join(","),
      versions: versionsMatch ? 1 : 0,
      pauseNs: Math.round(pauseMs * NANOSECONDS_PER_MS),
      ...counterFields(vcpus),
    },
  };
}

function bitmapAnswer(machine: Machine, take: (bitmap: Uint8Array) => number): ControlAnswer {
  const bitmap = new Uint8Array(machine.layout.bitmapBytes);
  return { fields: { pages: take(bitmap) }, payload: bitmap };
}

function refuseIn(machine: Machine, runState: "incoming" | "running"): void {
  if (machine.runState === runState) {
    throw new MigrationError("GUEST_STATE", { runState });
  }
}

/** The pfns with which a payload begins. */
function pfnsOf(payload: Uint8Array, count: number): Uint32Array {
  if (!Number.isInteger(count) || count * Uint32Array.BYTES_PER_ELEMENT > payload.length) {
    throw new MigrationError("GUEST_PROTOCOL", { count, payloadBytes: payload.length });
  }
  return new Uint32Array(payload.buffer, payload.byteOffset, count);
}

/** The pages that follow the pfns in a payload. */
function pagesOf(payload: Uint8Array, pfns: Uint32Array): Uint8Array {
  const pages = payload.subarray(pfns.byteLength);
  if (pages.length !== pfns.length * PAGE_BYTES) {
    const where = { count: pfns.length, payloadBytes: payload.length };
    throw new MigrationError("GUEST_PROTOCOL", where);
  }
  return pages;
}

function counterFields(vcpus: readonly VcpuCounters[]): ControlFields {
  return vcpuFields(vcpus.map(({ stores, reads, faults }) => [stores, reads, faults]));
}

function stateFields(states: readonly VcpuState[]): ControlFields {
  return vcpuFields(states.map((state) => STATE_WORDS.map((name) => state[name])));
}

function vcpuFields(words: readonly (readonly bigint[])[]): ControlFields {
  return Object.fromEntries(words.map((numbers, vcpu) => [`v${vcpu}`, numbers.join(",")]));
}

function stateOf(text: string): VcpuState {
  const words = text.split(",");
  if (words.length !== STATE_WORDS.length || !words.every((word) => /^\d{1,20}$/.test(word))) {
    throw new MigrationError("GUEST_STATE", { reason: "a vCPU's state is not six numbers" });
  }
  const named = STATE_WORDS.map((name, index) => [name, BigInt(words[index]!)]);
  return Object.fromEntries(named);
}
