import { FRAMING_MUTATIONS } from "./framing.ts";
import { HEADER_MUTATIONS } from "./headers.ts";
import { HVM_MUTATIONS } from "./hvm.ts";
import { MEMORY_MUTATIONS } from "./memory.ts";
import type { Kind, Mutation } from "./mutation.ts";
import { PV_MUTATIONS } from "./pv.ts";

/** All mutations, the one that changes nothing first. */
export const MUTATIONS: readonly Mutation[] = [
  ...FRAMING_MUTATIONS,
  ...HEADER_MUTATIONS,
  ...MEMORY_MUTATIONS,
  ...HVM_MUTATIONS,
  ...PV_MUTATIONS,
];

/** A mutation of one kind of image. */
export interface Mutant {
  readonly mutation: Mutation;
  readonly kind: Kind;
}

/** Every mutation of every kind of image that it is for. */
export function allMutants(): readonly Mutant[] {
  return MUTATIONS.flatMap((mutation) => mutation.on.map((kind) => ({ mutation, kind })));
}
