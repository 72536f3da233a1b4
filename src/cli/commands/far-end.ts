import { createInterface } from "node:readline";
import { machineClock } from "../../base/clock.ts";
import { answerQuestions } from "../../xl/far-end.ts";
import { EXIT } from "../exit.ts";
import type { Registrar } from "../program.ts";
import { SAVE_HELPER } from "../xen-programs.ts";

/** What `migrate` runs at the other end, through ssh, to learn what is there: no user's command. */
export function registerFarEnd({ program, run }: Registrar): void {
  program
    .command("far-end", { hidden: true })
    .description("answer the questions of a migration's source")
    .action((_options, command) =>
      run(command, async () => {
        await answerQuestions(createInterface({ input: process.stdin }), {
          saveHelper: SAVE_HELPER,
          clock: machineClock,
          tell: (line) => process.stdout.write(`${line}\n`),
        });
        return EXIT.SUCCESS;
      }),
    );
}
