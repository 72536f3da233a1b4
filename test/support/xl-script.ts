/** What helpers of a XenHost do in place of moving a guest; see save-helper.mjs. */
const STATISTICS = {
  iteration: 0,
  phase: "precopy",
  pagesPlanned: 100,
  pagesSent: 90,
  pagesAllocateOnly: 10,
  pagesDeferred: 0,
  pagesUnchanged: 0,
  bytes: 368_640,
  dirtyPagesAtEnd: 3,
  scanMs: 1,
  sendMs: 10,
  logDirtyMs: 1,
  durationMs: 12,
  bytesPerSecond: 1e6,
  dirtyPagesPerSecond: 250,
};

const PROFILE = {
  profileVersion: 1,
  operation: "migrate",
  outcome: "completed",
  startedAt: "2026-11-25T12:00:00.000Z",
  machine: {
    platform: "linux",
    kernel: "6.1",
    arch: "x64",
    cpu: "none",
    cpuCount: 2,
    node: "v20.20.2",
  },
  xenferry: "0.1.0",
  engine: { name: "native", variants: {} },
  guest: { name: "domain 3", kind: "xen-hvm", memoryBytes: 409_600, vcpus: 1, logDirty: "xen" },
  target: "descriptor 3",
  iterations: [],
  totalMs: 30,
  totalBytes: 400_000,
  totalPagesSent: 90,
};

const DOWNTIME = {
  suspendMs: 1,
  harvestMs: 2,
  finalCopyMs: 3,
  stateMs: 4,
  handoverMs: 0,
  resumeMs: 0,
  totalMs: 10,
};

const ITERATION = ["tell", "progress", { kind: "iteration", statistics: STATISTICS }];
const SAVE_STEPS = [
  ITERATION,
  ["write", "aabbcc"],
  ["tell", "step", "suspend"],
  ["suspend"],
  ["tell", "step", "suspended"],
  ["tell", "step", "sent"],
  ["tell", "profile", { ...PROFILE, downtime: DOWNTIME }],
];
const RESTORE_STEPS = [
  ["take", 3],
  ["tell", "step", "memory"],
  ["tell", "step", "restored"],
  ["tell", "profile", { ...PROFILE, operation: "restore" }],
];
/** What both ends' helpers do, and report, when all goes well. */
export const SCRIPT = {
  TEST_STEPS: JSON.stringify(SAVE_STEPS),
  TEST_RESTORE_STEPS: JSON.stringify(RESTORE_STEPS),
};

/** A save that waits, suspended or not, until it is aborted. */
export const waiting = (...before: readonly (readonly unknown[])[]) => ({
  ...SCRIPT,
  TEST_STEPS: JSON.stringify([...before, ITERATION, ["wait"]]),
});

/** Steps that fail with the system's error number 28, which is ENOSPC. */
export const FAILING = JSON.stringify([["suspend"], ["fail", 28]]);
