/** Monotonic time, passed as a parameter so that tests own it. */
export interface Clock {
  /** Milliseconds since an arbitrary point; never goes back; sub-microsecond fractions. */
  nowMs(): number;
}

/** The machine's monotonic clock. */
export const systemClock: Clock = { nowMs: () => performance.now() };

/** The same time for all processes of a machine: milliseconds since it was booted, on Linux. */
export const machineClock: Clock = { nowMs: () => Number(process.hrtime.bigint()) / 1e6 };
