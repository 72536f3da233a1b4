/** Monotonic time, passed as a parameter so that tests own it. */
export interface Clock {
  /** Milliseconds since an arbitrary point; never goes back; sub-microsecond fractions. */
  nowMs(): number;
}

/** The same time for all processes of a machine: milliseconds since it was booted, on Linux. */
export const machineClock: Clock = { nowMs: () => Number(process.hrtime.bigint()) / 1e6 };

/** The machine's monotonic clock; not `performance`, which Node has to load. */
export const systemClock: Clock = machineClock;
