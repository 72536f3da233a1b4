import type { PolicyOptions, PrecopyPolicy } from "../policy.ts";
import { deadlinePolicy } from "./deadline.ts";
import { downtimePolicy } from "./downtime.ts";
import { minimumPolicy } from "./minimum.ts";
import { xenPolicy } from "./xen.ts";

/** The policies that a name is enough for; the first is what is used unless another is named. */
export const POLICY_NAMES = ["downtime", "deadline", "minimum", "xen"] as const;

export type PolicyName = (typeof POLICY_NAMES)[number];

const POLICIES: Readonly<Record<PolicyName, (options: PolicyOptions) => PrecopyPolicy>> = {
  downtime: downtimePolicy,
  deadline: deadlinePolicy,
  minimum: minimumPolicy,
  xen: () => xenPolicy,
};

/** Whether `text` names one of {@link POLICY_NAMES}. */
export function isPolicyName(text: string): text is PolicyName {
  return POLICY_NAMES.some((name) => name === text);
}

/** The policy of that name. */
export function policyNamed(name: PolicyName, options: PolicyOptions): PrecopyPolicy {
  return POLICIES[name](options);
}
