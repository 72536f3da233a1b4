import { listEngines } from "../../engine/select.ts";
import { probeHost } from "../../guest/host.ts";
import { probePump } from "../../transport/pump-addon.ts";
import { probeXenAddon } from "../../xen/addon.ts";
import { xenCapabilities } from "../../xen/capabilities.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";
import { CONVERT_HELPER, SAVE_HELPER } from "../xen-programs.ts";

/** One thing that was looked at. */
interface Finding {
  readonly name: string;
  readonly isAvailable: boolean;
  readonly detail: string;
}

/** What `doctor --json` prints. */
interface Findings {
  /** What any migration can use; without it another way is taken. */
  readonly machine: readonly Finding[];
  /** What Xen's guests need. */
  readonly xen: readonly Finding[];
  /** The program that LIBXL_SAVE_HELPER is to name. */
  readonly saveHelper: string;
  /** The program that LIBXL_CONVERT_HELPER is to name. */
  readonly convertHelper: string;
}

export function registerDoctor({ program, run }: Registrar): void {
  program
    .command("doctor")
    .description("say what of this machine can be used, and what not, and why")
    .action((_options, command) => run(command, examine));
}

async function examine(context: Context): Promise<number> {
  const findings: Findings = {
    machine: [...engines(context), pumps(), zstd(), writeTracking()],
    xen: [xenAddOn(), ...xenCapabilities()],
    saveHelper: SAVE_HELPER,
    convertHelper: CONVERT_HELPER,
  };
  context.result(findings, () => describe(findings));
  return EXIT.SUCCESS;
}

function engines(context: Context): readonly Finding[] {
  const { engine: chosen } = context.engine();
  return listEngines().map((report) => ({
    name: `engine ${report.name}`,
    isAvailable: report.available,
    detail: report.available ? useOf(report.name, chosen.name) : report.reason,
  }));
}

function useOf(name: string, chosen: string): string {
  return name === chosen
    ? "loads, passes its self-test, and is used"
    : "loads, and passes its self-test";
}

function pumps(): Finding {
  const { addon, reason = "pages move on threads of their own" } = probePump();
  return { name: "native pump", isAvailable: addon !== undefined, detail: reason };
}

function xenAddOn(): Finding {
  const { addon, reason = "domains' pages move on threads of their own" } = probeXenAddon();
  return { name: "xen add-on", isAvailable: addon !== undefined, detail: reason };
}

function zstd(): Finding {
  const { addon, reason } = probePump();
  const isAvailable = addon?.hasZstd === true;
  const missing = reason ?? "there is no libzstd.so.1: pages cannot be packed";
  return { name: "libzstd", isAvailable, detail: isAvailable ? "pages can be packed" : missing };
}

function writeTracking(): Finding {
  const { addon, reason } = probeHost();
  const obstacle = addon === undefined ? reason : addon.writeTrackingObstacle();
  return {
    name: "userfaultfd, PAGEMAP_SCAN",
    isAvailable: obstacle === undefined,
    detail: obstacle ?? "the kernel tells which pages a process guest wrote",
  };
}

function describe({ machine, xen, saveHelper, convertHelper }: Findings): string {
  const width = Math.max(...[...machine, ...xen].map(({ name }) => name.length));
  const line = ({ name, isAvailable, detail }: Finding) =>
    `  ${isAvailable ? "yes" : "no "}  ${name.padEnd(width)}  ${detail}`;
  return [
    "This machine",
    ...machine.map(line),
    "Xen's guests",
    ...xen.map(line),
    `LIBXL_SAVE_HELPER=${saveHelper}`,
    `LIBXL_CONVERT_HELPER=${convertHelper}`,
  ].join("\n");
}
