import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/**
 * One line of a recorded conversation between libxl and its save helper, of a real Xen 4.17.
 * `hex` is what went over the pipe, where it was kept.
 */
export type TraceLine =
  | {
      readonly kind: "message";
      readonly number: number;
      readonly name: string;
      readonly values: readonly (string | number)[];
      readonly hex: string | undefined;
    }
  | { readonly kind: "answer"; readonly value: number; readonly hex: string };

/** The conversations in test/helper/traces, up to the end that both sides took part in. */
export const RECORDED = ["pvh-save", "pvh-live", "pvh-restore"] as const;

export function recordedTrace(name: (typeof RECORDED)[number]): readonly TraceLine[] {
  const file = new URL(`../helper/traces/xen-4.17-${name}.txt`, import.meta.url);
  return readTrace(fileURLToPath(file));
}

export function readTrace(file: string): readonly TraceLine[] {
  const lines = readFileSync(file, "utf8").split("\n");
  return lines.flatMap((line, index) => lineOf(line, lines[index + 1] ?? ""));
}

function lineOf(line: string, next: string): readonly TraceLine[] {
  const answer = /<- reply \[(-?\d+)\]\s+([0-9a-f]{8})$/.exec(line);
  if (answer !== null) {
    return [{ kind: "answer", value: Number(answer[1]), hex: answer[2]! }];
  }
  const message = /-> (\d+) (\w+)\((.*)\)$/.exec(line);
  if (message === null) {
    return [];
  }
  const [, number, name, values] = message;
  const hex = /^\s+((?:[0-9a-f]{2})+)$/.exec(next)?.[1];
  return [{ kind: "message", number: Number(number), name: name!, values: valuesOf(values!), hex }];
}

/** Numbers, and strings in single quotes. */
function valuesOf(text: string): readonly (string | number)[] {
  return [...text.matchAll(/'([^']*)'|(-?\d+)/g)].map(([, quoted, number]) =>
    quoted === undefined ? Number(number) : quoted,
  );
}
