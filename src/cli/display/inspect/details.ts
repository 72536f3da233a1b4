import type { Inspection } from "../../../migration/inspect.ts";
import type { JsonObject } from "../../../migration/inspect-json.ts";

/** A record's fields as they are shown. */
export type Details = JsonObject;

/** Decoded records of some names, without what is the same for all of a section. */
export function detailsOf(
  { details }: Inspection,
  ...names: readonly string[]
): readonly Details[] {
  const found = details.filter(({ name }) => names.includes(String(name)));
  return found.map(({ layer: _layer, name, offset, ...fields }) =>
    names.length === 1 ? fields : { record: name ?? null, ...fields },
  );
}
