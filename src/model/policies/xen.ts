import type { PrecopyPolicy } from "../policy.ts";

const ITERATIONS_MAX = 5;
const DIRTY_PAGES_TARGET = 50;

/**
 * Xen's own rule: stop below 50 dirty pages or after 5 iterations, whatever that costs.
 *
 * @source simple_precopy_policy, xg_sr_save.c
 */
export const xenPolicy: PrecopyPolicy = {
  name: "xen",
  parameters: { iterationsMax: ITERATIONS_MAX, dirtyPagesTarget: DIRTY_PAGES_TARGET },
  decide: ({ iterations, dirtyPages }) => {
    if (dirtyPages < DIRTY_PAGES_TARGET) {
      return { action: "stop-and-copy", reason: `fewer than ${DIRTY_PAGES_TARGET} dirty pages` };
    }
    return iterations.length >= ITERATIONS_MAX
      ? { action: "stop-and-copy", reason: `${ITERATIONS_MAX} iterations` }
      : { action: "continue", reason: `${dirtyPages} dirty pages` };
  },
};
