import { listEngines } from "../../engine/select.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";

export function registerEngines({ program, run }: Registrar): void {
  program
    .command("engines")
    .description("list the page engines: which load, which do not, and why")
    .action((_options, command) => run(command, showEngines));
}

async function showEngines(context: Context): Promise<number> {
  const engines = listEngines();
  const { engine, reasons } = context.engine();
  context.result({ engines, chosen: engine.name, reasons }, () =>
    [...engines.map(describe), `chosen: ${engine.name} (${reasons.join("; ")})`].join("\n"),
  );
  return EXIT.SUCCESS;
}

function describe(entry: ReturnType<typeof listEngines>[number]): string {
  return entry.available
    ? `${entry.name}: loads; ${formatVariants(entry.variants)}`
    : `${entry.name}: does not load: ${entry.reason}`;
}

function formatVariants(variants: Readonly<Record<string, string>>): string {
  return Object.entries(variants)
    .map(([operation, variant]) => `${operation} ${variant}`)
    .join(", ");
}
