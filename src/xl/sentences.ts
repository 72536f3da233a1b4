/** A moment of a migration that `xl` tells of. */
export type XlMoment =
  | "ready"
  | "acknowledged"
  | "permitted"
  | "reported"
  | "refused"
  | "undecided";

/** What `xl` writes, the same in 4.14 to 4.22. @source tools/xl/xl_migrate.c */
const SENTENCES: readonly (readonly [sentence: string, moment: XlMoment])[] = [
  ["migration target: Ready to receive domain.", "ready"],
  ["migration sender: Target has acknowledged transfer.", "acknowledged"],
  ["migration sender: Giving target permission to start.", "permitted"],
  ["migration sender: Target reports successful startup.", "reported"],
  ["migration sender: Target reports startup failure", "refused"],
  ["Migration failed during final handshake", "undecided"],
];

/** The moment that a line of `xl` tells of, if it does. */
export function momentOf(line: string): XlMoment | undefined {
  return SENTENCES.find(([sentence]) => line.includes(sentence))?.[1];
}
