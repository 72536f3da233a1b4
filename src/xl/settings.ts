import { SETTING_VARIABLES } from "../helper/settings.ts";
import type { Settings } from "../helper/settings-schema.ts";
import type { Environment } from "./xl.ts";

/** Settings for the save helper that were asked for; all others are as it finds them by itself. */
export type AskedSettings = { readonly [Name in keyof Settings]?: Settings[Name] | undefined };

/** Which helper `xl` is to use. */
export interface HelperChoice {
  /** Path of the helper of ours, which LIBXL_SAVE_HELPER in the environment overrides. */
  readonly helper: string;
  readonly settings: AskedSettings;
}

/** Variables for `xl`, so that it uses a helper that reports, and does as asked. */
export function helperVariables({ helper, settings }: HelperChoice, given: Environment) {
  const asked = Object.entries(settings).filter(([, value]) => value !== undefined);
  return {
    LIBXL_SAVE_HELPER: given.LIBXL_SAVE_HELPER || helper,
    XENFERRY_REPORT: "stderr",
    ...Object.fromEntries(
      asked.map(([name, value]) => [SETTING_VARIABLES[name as keyof Settings], String(value)]),
    ),
  };
}
