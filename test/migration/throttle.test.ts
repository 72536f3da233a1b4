import { describe, expect, it } from "vitest";
import { Throttle } from "../../src/migration/throttle.ts";

/** A clock that goes on by 10 ms each time it is looked at. */
function steppingClock() {
  let nowMs = 0;
  return { nowMs: () => (nowMs += 10) };
}

const { signal } = new AbortController();

describe("Throttle", () => {
  it("lets the first batch go and has the next wait for its debt", async () => {
    const clock = steppingClock();
    const throttle = new Throttle(100_000, clock);
    await throttle.take(5_000, signal);
    const startMs = clock.nowMs();
    await throttle.take(1, signal);
    expect(clock.nowMs() - startMs).toBeGreaterThanOrEqual(40);
  });

  it("has no limit at 0, and does not outwait an interruption", async () => {
    const still = { nowMs: () => 0 };
    await new Throttle(0, still).take(1e12, signal);
    const throttle = new Throttle(1, still);
    await throttle.take(1e12, signal);
    await throttle.take(1, AbortSignal.abort());
    expect(still.nowMs()).toBe(0);
  });
});
