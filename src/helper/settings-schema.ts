import { z } from "zod";
import { MigrationError } from "../base/errors.ts";
import { parseSizeBytes } from "../guest/quantity.ts";
import { POLICY_NAMES } from "../model/policies/choose.ts";

const positive = z.coerce.number().positive();

const rate = z.union([z.number(), z.string()]).transform((value, context) => {
  const bytesPerSecond = parseSizeBytes(String(value));
  if (bytesPerSecond === undefined) {
    context.addIssue("octets a second are needed, such as 100M or 200MB; 0 is no limit");
    return z.NEVER;
  }
  return bytesPerSecond;
});

/** What can be set, as a file says it, or the environment, where all are strings. */
const schema = z.strictObject({
  // Names alone: who saves a domain is root, and loads no code that a setting points at.
  policy: z.enum(POLICY_NAMES),
  downtimeMs: positive,
  deadlineS: positive,
  iterationsMax: positive,
  timeMaxS: positive,
  aboveTarget: z.enum(["stop-and-copy", "abort"]),
  bandwidthMax: rate,
  zeroPages: z.enum(["elide", "send"]),
  profile: z.string().min(1),
  engine: z.enum(["auto", "native", "wasm", "reference"]),
});

export type Settings = z.infer<typeof schema>;

/**
 * Checks settings, of which any may be absent.
 *
 * @param placeOf where a person finds a setting.
 * @throws MigrationError HELPER_SETTINGS
 */
export function checkSettings(
  content: unknown,
  placeOf: (setting: string) => string,
): Partial<Settings> {
  const { data, error } = schema.partial().safeParse(content);
  if (data === undefined) {
    const [issue] = error.issues;
    const setting = placeOf(issue?.path.join(".") ?? "");
    throw new MigrationError("HELPER_SETTINGS", { setting, problem: issue?.message });
  }
  // JSON and the environment hold no `undefined`, which `partial` would allow.
  return data as Partial<Settings>;
}
