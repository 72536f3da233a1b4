import { FRAMING_MUTATIONS } from "./framing.ts";
import { HEADER_MUTATIONS } from "./headers.ts";
import { HVM_MUTATIONS } from "./hvm.ts";
import { LIBXL_MUTATIONS } from "./libxl.ts";
import { MEMORY_MUTATIONS } from "./memory.ts";
import type { Kind, Mutation } from "./mutation.ts";
import { PV_MUTATIONS } from "./pv.ts";
import { PV_FRAME_MUTATIONS } from "./pv-frames.ts";
import { STATIC_DATA_MUTATIONS } from "./static-data.ts";

/** All mutations, the one that changes nothing first. */
export const MUTATIONS: readonly Mutation[] = [
  ...FRAMING_MUTATIONS,
  ...HEADER_MUTATIONS,
  ...MEMORY_MUTATIONS,
  ...STATIC_DATA_MUTATIONS,
  ...HVM_MUTATIONS,
  ...LIBXL_MUTATIONS,
  ...PV_MUTATIONS,
  ...PV_FRAME_MUTATIONS,
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
