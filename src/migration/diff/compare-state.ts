import type { IsIgnored } from "./ignore.ts";
import type { GuestState, StateArea, StateField, StateValue } from "./state.ts";

/** Differences that are kept; those behind them are counted. */
const DIFFERENCES_MAX = 10_000;

/** How octets differ. */
export interface OctetDifference {
  /** Of the shorter of the two. */
  readonly differing: number;
  /** Of the first one that differs, or of the end of the shorter. */
  readonly first: number;
  readonly bytes: { readonly a: number; readonly b: number };
}

/** A field that is not the same; `undefined` on the side that lacks it. */
export interface StateDifference {
  readonly area: StateArea;
  readonly path: string;
  readonly a: Exclude<StateValue, Uint8Array> | undefined;
  readonly b: Exclude<StateValue, Uint8Array> | undefined;
  /** Of octets; `a` and `b` are then the numbers of octets. */
  readonly octets?: OctetDifference;
}

/** What differs beside memory. */
export interface StateComparison {
  readonly compared: number;
  readonly differing: number;
  /** Fields that differ and are left out. */
  readonly ignored: number;
  /** The first 10,000. */
  readonly differences: readonly StateDifference[];
}

/** Compares two states field by field. */
export function compareStates(a: GuestState, b: GuestState, isIgnored: IsIgnored): StateComparison {
  const list = new DifferenceList(isIgnored);
  const all = new Map([...b.fields, ...a.fields]);
  // Octets count only where none of the fields that were decoded from them tells of a difference.
  for (const isWhole of [false, true]) {
    for (const [path, field] of all) {
      if (field.isWhole === isWhole && !(isWhole && list.hasBelow(path))) {
        list.take(path, a.fields.get(path), b.fields.get(path));
      }
    }
  }
  return { compared: all.size, ...list.result() };
}

class DifferenceList {
  readonly #isIgnored: IsIgnored;
  readonly #differences: StateDifference[] = [];
  readonly #above = new Set<string>();
  #differing = 0;
  #ignored = 0;

  constructor(isIgnored: IsIgnored) {
    this.#isIgnored = isIgnored;
  }

  /** Whether a field differs whose path starts with this one. */
  hasBelow(path: string): boolean {
    return this.#above.has(path);
  }

  take(path: string, a: StateField | undefined, b: StateField | undefined): void {
    if (a !== undefined && b !== undefined && isEqual(a.value, b.value)) {
      return;
    }
    for (const { index } of path.matchAll(/[.[]/g)) {
      this.#above.add(path.slice(0, index));
    }
    if (this.#isIgnored(path)) {
      this.#ignored++;
      return;
    }
    this.#differing++;
    if (this.#differences.length < DIFFERENCES_MAX) {
      this.#differences.push(differenceOf(path, a, b));
    }
  }

  result(): Omit<StateComparison, "compared"> {
    return {
      differing: this.#differing,
      ignored: this.#ignored,
      differences: this.#differences,
    };
  }
}

function isEqual(a: StateValue, b: StateValue): boolean {
  return a instanceof Uint8Array && b instanceof Uint8Array ? Buffer.compare(a, b) === 0 : a === b;
}

function differenceOf(
  path: string,
  a: StateField | undefined,
  b: StateField | undefined,
): StateDifference {
  const area = (a ?? b)!.area;
  const octets =
    a?.value instanceof Uint8Array && b?.value instanceof Uint8Array
      ? { octets: compareOctets(a.value, b.value) }
      : {};
  return { area, path, a: shown(a?.value), b: shown(b?.value), ...octets };
}

function shown(value: StateValue | undefined): StateDifference["a"] {
  return value instanceof Uint8Array ? value.length : value;
}

function compareOctets(a: Uint8Array, b: Uint8Array): OctetDifference {
  const common = Math.min(a.length, b.length);
  let [differing, first] = [0, common];
  for (let at = common - 1; at >= 0; at--) {
    if (a[at] !== b[at]) {
      differing++;
      first = at;
    }
  }
  return { differing, first, bytes: { a: a.length, b: b.length } };
}
