import { MigrationError } from "../base/errors.ts";

/** Names that are offered for one that is not there. */
const OFFERED_MAX = 3;

/** What `inspect` shows and no record has, or what others are found by, wherever it stands. */
const DERIVED: ReadonlySet<string> = new Set([
  ...["features", "unnamed_features", "cpu", "leaves", "count", "name", "index", "leaf", "subleaf"],
  ...["components", "extended_bytes", "unusual_length", "rest", "bytes", "body_offset"],
  ...["entries", "trailing_bytes", "instance", "type", "vcpu", "frames", "evtchn_pending"],
  ...["evtchn_mask", "sections", "context_bytes", "savevm_version", "prefix", "prefix_of_bytes"],
  ...["offset", "layer", "id", "version", "options", "page_shift", "msr"],
]);

/** What the image has as a whole. */
const DERIVED_ROOTS: ReadonlySet<string> = new Set([
  ...["format", "byte_order", "records", "records_left_out", "xl_header_bytes", "libxl"],
  ...["static_data_end", "bytes", "trailing_bytes", "trailing", "trailing_sentence"],
  ...["page_entries_by_type", "frames", "duplicates", "iterations", "map", "memory_sha256"],
  ...["details", "faults", "error", "compression", "engine"],
]);

/**
 * Why a path leads to nothing that can be set.
 *
 * @param known paths that do.
 */
export function unknownField(path: string, known: readonly string[]): MigrationError {
  const [root, ...names] = path.split(".").map((part) => part.replace(/[[#].*$/, ""));
  const roots = new Set(known.map((one) => one.replace(/[[#.].*$/, "")));
  const isBelowKnown = roots.has(root ?? "") && names.some((name) => DERIVED.has(name));
  if (DERIVED_ROOTS.has(root ?? "") || isBelowKnown) {
    return new MigrationError("FIELD_DERIVED", { path });
  }
  const near = nearest(path, known);
  return new MigrationError("FIELD_UNKNOWN", { path, ...(near.length > 0 && { near }) });
}

/** The paths most like one: by changes of single characters, those with its last name first. */
export function nearest(path: string, known: readonly string[]): readonly string[] {
  const wanted = path.toLowerCase();
  const last = wanted.slice(wanted.lastIndexOf(".") + 1);
  const ranked = known
    .map((one) => {
      const candidate = one.toLowerCase();
      const changes = distance(wanted, candidate);
      const hasLast = candidate.slice(candidate.lastIndexOf(".") + 1) === last;
      const isNear = hasLast || changes < Math.max(wanted.length, candidate.length) / 2;
      return { one, isNear, rank: changes - (hasLast ? last.length : 0) };
    })
    .filter(({ isNear }) => isNear);
  ranked.sort((a, b) => a.rank - b.rank);
  return ranked.slice(0, OFFERED_MAX).map(({ one }) => one);
}

/** Characters to add, take away or change to make one text the other. */
function distance(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let index = 0; index < one.length; index++) {
    const next = [index + 1];
    for (let column = 0; column < other.length; column++) {
      const change = row[column]! + (one[index] === other[column] ? 0 : 1);
      next.push(Math.min(change, row[column + 1]! + 1, next[column]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
}
