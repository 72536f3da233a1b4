import { readFileSync } from "node:fs";
import { z } from "zod";
import { MigrationError } from "../base/errors.ts";
import { parseSizeBytes } from "../guest/quantity.ts";
import {
  DOWNTIME_POLICY_DEFAULTS,
  downtimePolicy,
  type PrecopyPolicy,
  xenPolicy,
} from "../migration/policy.ts";

/** The file that is read where XENFERRY_CONFIG names no other. */
export const CONFIG_FILE_DEFAULT = "/etc/xenferry/helper.json";

const positive = z.coerce.number().positive();

const rate = z.union([z.number(), z.string()]).transform((value, context) => {
  const bytesPerSecond = parseSizeBytes(String(value));
  if (bytesPerSecond === undefined) {
    context.addIssue("octets a second are needed, such as 100M or 200MB; 0 is no limit");
    return z.NEVER;
  }
  return bytesPerSecond;
});

/** What can be set, as a file or the environment says it. */
const schema = z.strictObject({
  policy: z.enum(["downtime", "xen"]),
  downtimeMs: positive,
  iterationsMax: positive,
  timeMaxS: positive,
  aboveTarget: z.enum(["stop-and-copy", "abort"]),
  bandwidthMax: rate,
  zeroPages: z.enum(["elide", "send"]),
  profile: z.string().min(1),
  engine: z.enum(["auto", "native", "wasm", "reference"]),
});

type Settings = z.infer<typeof schema>;

/** How guests of `xl` are saved and restored: what `xenferry` has options for. */
export interface HelperSettings extends Omit<Settings, "profile"> {
  /** Octets a second; 0 is no limit. */
  readonly bandwidthMax: number;
  /** Where the profile goes; `%d` stands for the domain's number. Absent: nowhere. */
  readonly profile?: string | undefined;
}

/** Settings as they are when nothing is set. */
export const SETTINGS_DEFAULTS: HelperSettings = {
  policy: "downtime",
  downtimeMs: DOWNTIME_POLICY_DEFAULTS.downtimeTargetMs,
  iterationsMax: DOWNTIME_POLICY_DEFAULTS.iterationsMax,
  timeMaxS: DOWNTIME_POLICY_DEFAULTS.totalMsMax / 1000,
  aboveTarget: DOWNTIME_POLICY_DEFAULTS.aboveTarget,
  bandwidthMax: 0,
  zeroPages: "elide",
  engine: "auto",
};

/** The environment variable of each setting; an empty one counts as absent. */
export const SETTING_VARIABLES: Readonly<Record<keyof Settings, string>> = {
  policy: "XENFERRY_POLICY",
  downtimeMs: "XENFERRY_DOWNTIME_MS",
  iterationsMax: "XENFERRY_ITERATIONS_MAX",
  timeMaxS: "XENFERRY_TIME_MAX_S",
  aboveTarget: "XENFERRY_ABOVE_TARGET",
  bandwidthMax: "XENFERRY_BANDWIDTH_MAX",
  zeroPages: "XENFERRY_ZERO_PAGES",
  profile: "XENFERRY_PROFILE",
  engine: "XENFERRY_ENGINE",
};

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Gathers the settings: the environment's, else the file's, else the defaults.
 *
 * The file, JSON, is that of XENFERRY_CONFIG, which must exist, or else the default one, which may.
 *
 * @throws MigrationError HELPER_SETTINGS
 */
export function loadSettings(environment: Environment): HelperSettings {
  return { ...SETTINGS_DEFAULTS, ...fromFile(environment), ...fromEnvironment(environment) };
}

/** The policy that the settings name. */
export function policyOf(settings: HelperSettings): PrecopyPolicy {
  return settings.policy === "xen"
    ? xenPolicy
    : downtimePolicy({
        downtimeTargetMs: settings.downtimeMs,
        iterationsMax: settings.iterationsMax,
        totalMsMax: settings.timeMaxS * 1000,
        aboveTarget: settings.aboveTarget,
      });
}

/** Where the profile of a domain goes, if anywhere. */
export function profilePathOf(settings: HelperSettings, domid: number): string | undefined {
  return settings.profile?.replaceAll("%d", String(domid));
}

function fromEnvironment(environment: Environment): Partial<Settings> {
  const names = Object.entries(SETTING_VARIABLES);
  const found = names.filter(([, variable]) => !isAbsent(environment[variable]));
  const values = found.map(([setting, variable]) => [setting, environment[variable]]);
  return parse(Object.fromEntries(values), (setting) =>
    setting in SETTING_VARIABLES ? SETTING_VARIABLES[setting as keyof Settings] : setting,
  );
}

function fromFile(environment: Environment): Partial<Settings> {
  const asked = environment.XENFERRY_CONFIG;
  const isOptional = isAbsent(asked);
  const file = isOptional ? CONFIG_FILE_DEFAULT : asked!;
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (isOptional && (error as NodeJS.ErrnoException).code === "ENOENT") {
      return {};
    }
    throw new MigrationError("HELPER_SETTINGS", { file }, error);
  }
  return parse(content, (setting) => `${file}: ${setting}`);
}

/** @param placeOf where a person finds a setting. */
function parse(content: unknown, placeOf: (setting: string) => string): Partial<Settings> {
  const { data, error } = schema.partial().safeParse(content);
  if (data === undefined) {
    const [issue] = error.issues;
    const setting = issue?.path.join(".") ?? "";
    throw new MigrationError("HELPER_SETTINGS", {
      setting: placeOf(setting),
      problem: issue?.message,
    });
  }
  // JSON and the environment hold no `undefined`, which `partial` would allow.
  return data as Partial<Settings>;
}

function isAbsent(value: string | undefined): value is undefined | "" {
  return value === undefined || value === "";
}
