import { MigrationError } from "../base/errors.ts";
import type { StreamEvent } from "../codec/events.ts";
import { unknownField } from "./field-names.ts";
import { FieldReader, type FieldsOf } from "./field-reader.ts";
import type { FieldChange, FieldEdit, ImageField } from "./fields.ts";
import type { StreamEvents } from "./rewrite-stage.ts";

/** Paths that are kept to offer those like one that is not there. */
const KNOWN_MAX = 50_000;

/**
 * Sets fields, in the order of `edits`, and leaves all else as it is.
 *
 * @param onChange told of each field that was set, also to what it was.
 * @throws MigrationError FIELD_VALUE; at the end FIELD_UNKNOWN, FIELD_DERIVED
 */
export async function* setFields(
  events: StreamEvents,
  edits: readonly FieldEdit[],
  onChange: (change: FieldChange) => void,
): StreamEvents {
  const editor = new FieldEditor(edits, onChange);
  for await (const event of events) {
    yield editor.take(event);
  }
  editor.finish();
}

class FieldEditor {
  readonly #edits: readonly FieldEdit[];
  readonly #onChange: (change: FieldChange) => void;
  readonly #reader = new FieldReader();
  readonly #wanted: Set<string>;
  readonly #known: string[] = [];

  constructor(edits: readonly FieldEdit[], onChange: (change: FieldChange) => void) {
    this.#edits = edits;
    this.#onChange = onChange;
    this.#wanted = new Set(edits.map(({ path }) => path));
  }

  /** The event with those fields set that it has. */
  take(event: StreamEvent): StreamEvent {
    const fieldsOf = this.#reader.enter(event);
    const fields = byPath(fieldsOf(event));
    for (const path of fields.keys()) {
      this.#wanted.delete(path);
      if (this.#known.length < KNOWN_MAX) {
        this.#known.push(path);
      }
    }
    const edits = this.#edits.filter(({ path }) => fields.has(path));
    return this.#setAll({ event, fieldsOf, fields }, edits);
  }

  /** @throws MigrationError FIELD_UNKNOWN, FIELD_DERIVED: what no event had */
  finish(): void {
    for (const path of this.#wanted) {
      throw unknownField(path, this.#known);
    }
  }

  #setAll({ event, fieldsOf, fields }: Fielded, edits: readonly FieldEdit[]): StreamEvent {
    let [current, currentFields] = [event, fields];
    for (const { path, value } of edits) {
      const field = currentFields.get(path);
      if (field === undefined) {
        throw unknownField(path, this.#known);
      }
      const changed = setTo(field, value);
      if (changed !== current) {
        current = changed;
        currentFields = byPath(fieldsOf(changed));
      }
      const after = currentFields.get(path)?.value ?? value;
      this.#onChange({ path, before: field.value, after });
    }
    return current;
  }
}

/** An event, and the fields that it has. */
interface Fielded {
  readonly event: StreamEvent;
  readonly fieldsOf: FieldsOf;
  readonly fields: ReadonlyMap<string, ImageField>;
}

function byPath(fields: readonly ImageField[]): ReadonlyMap<string, ImageField> {
  return new Map(fields.map((field) => [field.path, field]));
}

/** @throws MigrationError FIELD_VALUE, with the path */
function setTo({ path, set }: ImageField, value: string): StreamEvent {
  try {
    return set(value);
  } catch (error) {
    if (error instanceof MigrationError && error.code === "FIELD_VALUE") {
      throw new MigrationError("FIELD_VALUE", { path, ...error.where });
    }
    throw error;
  }
}
