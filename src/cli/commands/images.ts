import type { Registrar } from "../program.ts";

/** verify and inspect. */
export function registerImageCommands({ program }: Registrar): void {
  program.command("verify <file>");
}
