import { readFileSync } from "node:fs";
import { MigrationError } from "../base/errors.ts";
import { policyNamed } from "../model/policies/choose.ts";
import { POLICY_DEFAULTS, type PrecopyPolicy } from "../model/policy.ts";
import type { Settings } from "./settings-schema.ts";

/** The file that is read where XENFERRY_CONFIG names no other. */
export const CONFIG_FILE_DEFAULT = "/etc/xenferry/helper.json";

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
  downtimeMs: POLICY_DEFAULTS.downtimeTargetMs,
  deadlineS: POLICY_DEFAULTS.deadlineMs / 1000,
  iterationsMax: POLICY_DEFAULTS.iterationsMax,
  timeMaxS: POLICY_DEFAULTS.totalMsMax / 1000,
  aboveTarget: POLICY_DEFAULTS.aboveTarget,
  bandwidthMax: 0,
  zeroPages: "elide",
  engine: "auto",
};

/** The environment variable of each setting; an empty one counts as absent. */
export const SETTING_VARIABLES: Readonly<Record<keyof Settings, string>> = {
  policy: "XENFERRY_POLICY",
  downtimeMs: "XENFERRY_DOWNTIME_MS",
  deadlineS: "XENFERRY_DEADLINE_S",
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
export async function loadSettings(environment: Environment): Promise<HelperSettings> {
  const inFile = fromFile(environment);
  const inEnvironment = fromEnvironment(environment);
  return {
    ...SETTINGS_DEFAULTS,
    ...(await check(inFile)),
    ...(await check(inEnvironment)),
  };
}

/** The policy that the settings name. */
export function policyOf(settings: HelperSettings): PrecopyPolicy {
  return policyNamed(settings.policy, {
    downtimeTargetMs: settings.downtimeMs,
    deadlineMs: settings.deadlineS * 1000,
    iterationsMax: settings.iterationsMax,
    totalMsMax: settings.timeMaxS * 1000,
    aboveTarget: settings.aboveTarget,
  });
}

/** Where the profile of a domain goes, if anywhere. */
export function profilePathOf(settings: HelperSettings, domid: number): string | undefined {
  return settings.profile?.replaceAll("%d", String(domid));
}

/** Settings as they were found, not checked. */
interface Found {
  readonly content: unknown;
  /** Where a person finds a setting. */
  readonly placeOf: (setting: string) => string;
}

function fromEnvironment(environment: Environment): Found | undefined {
  const variables = Object.entries(SETTING_VARIABLES);
  const set = variables.filter(([, variable]) => !isAbsent(environment[variable]));
  const values = set.map(([setting, variable]) => [setting, environment[variable]]);
  return values.length === 0
    ? undefined
    : {
        content: Object.fromEntries(values),
        placeOf: (setting) => SETTING_VARIABLES[setting as keyof Settings],
      };
}

function fromFile(environment: Environment): Found | undefined {
  const asked = environment.XENFERRY_CONFIG;
  const file = isAbsent(asked) ? CONFIG_FILE_DEFAULT : asked;
  try {
    const content: unknown = JSON.parse(readFileSync(file, "utf8"));
    return { content, placeOf: (setting) => `${file}: ${setting}` };
  } catch (error) {
    if (isAbsent(asked) && (error as NodeJS.ErrnoException).code === "ENOENT") {
      return undefined;
    }
    throw new MigrationError("HELPER_SETTINGS", { file }, error);
  }
}

/** What checks is loaded where there is something to check: a third of the time to start. */
async function check(found: Found | undefined): Promise<Partial<Settings>> {
  if (found === undefined) {
    return {};
  }
  const { checkSettings } = await import("./settings-schema.ts");
  return checkSettings(found.content, found.placeOf);
}

function isAbsent(value: string | undefined): value is undefined | "" {
  return value === undefined || value === "";
}
