import { xstateNames } from "../format/x86-state.ts";
import type { Decoded, DecodedValue } from "./layout.ts";

/**
 * What an extended state holds beyond its head: the names of the components that are not in their
 * initial state, and how many octets follow.
 *
 * @param mask XSTATE_BV in hexadecimal; `undefined` where not even the head was saved.
 */
export function describeXsave(mask: DecodedValue | undefined, extendedBytes: number): Decoded {
  const components = typeof mask === "string" ? xstateNames(BigInt(mask)) : [];
  return { components: components.join(" "), extended_bytes: Math.max(0, extendedBytes) };
}
