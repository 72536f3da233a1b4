import { extendCorpus } from "./corpus.ts";
import { type Corpus, fuzzRange } from "./run.ts";
import { fuzzTargets } from "./targets.ts";

/** What a child is to do. */
export interface ChildTask {
  readonly target: string;
  readonly seed: number;
  readonly first: number;
  readonly count: number;
  /** Where inputs are kept that come to something new. */
  readonly corpusFolder: string | undefined;
}

/** What it tells: how far it is, and in the end its peak memory or what went wrong. */
export type ChildReport =
  | { readonly kind: "progress"; readonly done: number }
  | { readonly kind: "end"; readonly memoryBytes: number }
  | { readonly kind: "failure"; readonly message: string };

/** Inputs between two signs of life. */
const STEP = 200;

async function work({ target: name, seed, first, count, corpusFolder }: ChildTask): Promise<void> {
  const target = fuzzTargets().find((one) => one.name === name)!;
  const corpus: Corpus = new Map();
  for (let done = 0; done < count; done += STEP) {
    tell({ kind: "progress", done });
    const range = { seed, first: first + done, count: Math.min(STEP, count - done) };
    await fuzzRange(target, range, corpus);
  }
  if (corpusFolder !== undefined) {
    extendCorpus(corpusFolder, name, corpus);
  }
  tell({ kind: "end", memoryBytes: process.resourceUsage().maxRSS * 1024 });
}

function tell(report: ChildReport): void {
  process.send!(report);
}

process.once("message", (task: ChildTask) => {
  work(task).then(
    () => process.disconnect(),
    (error: unknown) => {
      tell({ kind: "failure", message: error instanceof Error ? error.message : String(error) });
      process.disconnect();
    },
  );
});
