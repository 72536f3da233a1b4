import { renderTable } from "./render.ts";

/** What is laid out: plain JSON. */
export type FieldValue =
  | string
  | number
  | boolean
  | null
  | readonly FieldValue[]
  | { readonly [name: string]: FieldValue };
type Fields = { readonly [name: string]: FieldValue };

/** Columns between two cells, and before what belongs to a name above it. */
const GAP = 3;
const INDENT = "  ";

/**
 * Lays names and values out: single values in columns, lists wrapped, lists of alike things as
 * tables, and what is nested below its name.
 *
 * @param width columns to keep within, where no single value is longer.
 */
export function renderFields(fields: Fields, width: number): string {
  const entries = Object.entries(fields);
  const single = entries.filter(([, value]) => isSingle(value));
  const nested = entries.filter(([, value]) => !isSingle(value));
  return [
    ...renderCells(single as readonly (readonly [string, Single])[], width),
    ...nested.flatMap(([name, value]) => renderNested(name, value, width)),
  ].join("\n");
}

/** Words one behind the other in lines of at most `width` columns. */
export function wrapWords(words: readonly string[], width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

/** The lines of `text`, each behind two spaces. */
export function indented(text: string): string {
  return text
    .split("\n")
    .map((line) => (line === "" ? "" : `${INDENT}${line}`))
    .join("\n");
}

/**
 * Text from elsewhere, fit for a terminal: what is not printable is written as `\x1b`.
 */
export function printable(text: string): string {
  return text.replace(/[^\x20-\x7e\u00a1-\uffff]/g, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\x${code.toString(16).padStart(2, "0")}`;
  });
}

type Single = string | number | boolean | null;

function isSingle(value: FieldValue): value is Single {
  return value === null || typeof value !== "object";
}

function renderCells(
  cells: readonly (readonly [name: string, value: Single])[],
  width: number,
): readonly string[] {
  if (cells.length === 0) {
    return [];
  }
  const shown = cells.map(([name, value]) => [name, textOf(value)] as const);
  const nameWidth = Math.max(...shown.map(([name]) => name.length));
  const valueWidth = Math.max(...shown.map(([, value]) => value.length));
  const cellWidth = nameWidth + 1 + valueWidth;
  const columns = Math.max(1, Math.floor((width + GAP) / (cellWidth + GAP)));
  const texts = shown.map(
    ([name, value]) => `${name.padEnd(nameWidth)} ${value.padStart(valueWidth)}`,
  );
  const rows = Math.ceil(texts.length / columns);
  return Array.from({ length: rows }, (_, row) =>
    texts
      .slice(row * columns, (row + 1) * columns)
      .join(" ".repeat(GAP))
      .trimEnd(),
  );
}

function renderNested(name: string, value: FieldValue, width: number): readonly string[] {
  if (isSingle(value)) {
    return [`${name} ${textOf(value)}`];
  }
  if (!isList(value)) {
    return [`${name}:`, indented(renderFields(value, width - INDENT.length))];
  }
  if (value.length === 0) {
    return [`${name}: none`];
  }
  if (value.every(isSingle)) {
    return renderList(name, countRuns(value.map(textOf)), width);
  }
  return [`${name}:`, indented(renderThings(value, width - INDENT.length))];
}

/** Words behind their name, and in line with each other where they go on below. */
function renderList(name: string, words: readonly string[], width: number): readonly string[] {
  const [first = "", ...others] = wrapWords(words, width - INDENT.length);
  const isShort = others.length === 0 && name.length + 2 + first.length <= width;
  return isShort
    ? [`${name}: ${first}`]
    : [`${name}:`, ...[first, ...others].map((line) => INDENT + line)];
}

/** Values that come several times one behind the other are counted. */
function countRuns(values: readonly string[]): readonly string[] {
  const runs: { readonly value: string; count: number }[] = [];
  for (const value of values) {
    const last = runs.at(-1);
    if (last?.value === value) {
      last.count++;
    } else {
      runs.push({ value, count: 1 });
    }
  }
  return runs.map(({ value, count }) => (count === 1 ? value : `${value}×${count}`));
}

function renderThings(things: readonly FieldValue[], width: number): string {
  const flat = things.map((thing) => flatten(thing));
  const [head = []] = flat.map((fields) => fields.map(([name]) => name));
  const isAlike = flat.every((fields) => sameNames(fields, head));
  if (isAlike) {
    const isNamed = head[0] === "name" || head[0] === "key";
    const table = renderTable(
      isNamed ? head : ["", ...head],
      flat.map((fields, index) => [
        ...(isNamed ? [] : [`${index}`]),
        ...fields.map(([, value]) => value),
      ]),
    );
    if (table.split("\n").every((line) => line.length <= width)) {
      return table;
    }
  }
  return things
    .map((thing, index) =>
      isSingle(thing) || isList(thing)
        ? renderNested(`[${index}]`, thing, width).join("\n")
        : `[${index}]\n${indented(renderFields(thing, width - INDENT.length))}`,
    )
    .join("\n");
}

function sameNames(
  fields: readonly (readonly [string, string])[],
  names: readonly string[],
): boolean {
  return fields.length === names.length && fields.every(([name], index) => name === names[index]);
}

/** Names and texts of a thing's values, those of nested things behind their own name. */
function flatten(thing: FieldValue, prefix = ""): readonly (readonly [string, string])[] {
  if (isSingle(thing)) {
    return [[prefix === "" ? "value" : prefix, textOf(thing)]];
  }
  if (isList(thing)) {
    return [[prefix, thing.map((value) => (isSingle(value) ? textOf(value) : "…")).join(" ")]];
  }
  return Object.entries(thing).flatMap(([name, value]) =>
    flatten(value, prefix === "" ? name : `${prefix}.${name}`),
  );
}

function isList(value: FieldValue): value is readonly FieldValue[] {
  return Array.isArray(value);
}

function textOf(value: Single): string {
  return value === null ? "-" : printable(String(value));
}
