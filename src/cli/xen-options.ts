import type { Command } from "commander";
import { MigrationError } from "../base/errors.ts";
import { isPolicyName, POLICY_NAMES, type PolicyName } from "../model/policies/choose.ts";
import type { AskedSettings } from "../xl/settings.ts";
import type { GlobalOptions } from "./context.ts";
import type { TransferCliOptions } from "./transfer-options.ts";

/**
 * What was asked for of a guest of Xen. What was not is left to the save helper, which has settings
 * of its own in the environment and a file.
 */
export function askedSettings(
  command: Command,
  options: Partial<TransferCliOptions>,
): AskedSettings {
  const { engine } = command.optsWithGlobals<GlobalOptions>();
  const asked = <Name extends keyof TransferCliOptions>(name: Name) =>
    isAsked(command, name) ? options[name] : undefined;
  return {
    policy: policyForXen(asked("policy")),
    downtimeMs: asked("downtime"),
    deadlineS: asked("deadline"),
    iterationsMax: asked("iterationsMax"),
    timeMaxS: asked("timeMax"),
    aboveTarget: asked("aboveTarget"),
    bandwidthMax: asked("bandwidthMax"),
    zeroPages: asked("zeroPages"),
    engine: engine as AskedSettings["engine"],
  };
}

/** @throws MigrationError USAGE_ARGUMENT a module */
function policyForXen(policy: string | undefined): PolicyName | undefined {
  if (policy !== undefined && !isPolicyName(policy)) {
    const needs = `${POLICY_NAMES.join(", ")}: a domain's save helper loads no modules`;
    throw new MigrationError("USAGE_ARGUMENT", { option: "--policy", policy, needs });
  }
  return policy;
}

/**
 * Refuses options that have no meaning for the kind of guest at hand, where they were asked for.
 *
 * @param names as commander has them, such as "skipUnchanged".
 * @throws MigrationError USAGE_ARGUMENT
 */
export function refuseOptions(command: Command, names: readonly string[], needs: string): void {
  const asked = command.options.find(
    (option) => names.includes(option.attributeName()) && isAsked(command, option.attributeName()),
  );
  if (asked !== undefined) {
    throw new MigrationError("USAGE_ARGUMENT", { option: asked.long ?? asked.flags, needs });
  }
}

function isAsked(command: Command, name: string): boolean {
  return command.getOptionValueSource(name) === "cli";
}
