import type { ErrorCode, ErrorFacts, MigrationError } from "../base/errors.ts";
import { hexText } from "../codec/layout.ts";

/** What JSON can hold. 64-bit numbers are strings: hexadecimal, but nanoseconds decimal. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [name: string]: Json };

/** A JSON object. */
export type JsonObject = Readonly<Record<string, Json>>;

/** Something that restoring would stop at, or that ended the reading. */
export type InspectFault = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly where: JsonObject;
};

/** Octets shown of what nothing is known of. */
const PREFIX_BYTES = 32;

/** An error as plain JSON. */
export function faultOf(error: MigrationError): InspectFault {
  return { code: error.code, message: error.message, where: describeFacts(error.where) };
}

/** Facts of an error as JSON can hold them. */
function describeFacts(facts: ErrorFacts): JsonObject {
  const entries = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    entries.map(([name, value]) => [
      name,
      typeof value === "bigint" ? hexText(value) : (value ?? null),
    ]),
  );
}

/** The first octets of a body that nothing is known of, and how many there are. */
export function describePrefix(body: Uint8Array): JsonObject {
  const prefix = Buffer.from(body.subarray(0, PREFIX_BYTES)).toString("hex");
  return { prefix, prefix_of_bytes: body.length };
}
