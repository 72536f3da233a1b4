import type { Kind } from "./mutation.ts";

/** What Xen's restore did with a mutant, as it was seen in the lab. */
export interface Observation {
  readonly mutation: string;
  readonly kind: Kind;
  /** `crashed`: the program ended by a signal; `hung`: it was stopped after a minute. */
  readonly restore: "accepted" | "refused" | "crashed" | "hung";
  /** The first message about an error. */
  readonly reason?: string;
  /** Whether the restored guest went on counting with its memory intact, once it was unpaused. */
  readonly guest?: "goes on" | "silent" | "broken" | "crashed" | "gone";
}

/** An observation, and what Xen's verify-stream-v2 says of the same mutation of a stored image. */
export interface Verdict extends Observation {
  readonly verifyStreamV2?: "accepted" | "refused" | "failed";
  readonly verifyStreamV2Reason?: string;
}

/** What is kept of observations. */
export interface Verdicts {
  readonly xen: string;
  readonly verdicts: readonly Verdict[];
}

/** What a boot is given to do: `plan.json` in its job folder. */
export interface Plan {
  readonly mutants: readonly { readonly mutation: string; readonly kind: Kind }[];
  readonly limitS: number;
}
