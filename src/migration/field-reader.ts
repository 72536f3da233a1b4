import type { RecordEvent, StreamEvent } from "../codec/events.ts";
import { LIBXL_RECORD } from "../format/libxl.ts";
import { fieldInBody, type ImageField, Names, orNone } from "./fields.ts";
import { domainFields, xlFields } from "./header-fields.ts";
import { PvFields } from "./pv-fields.ts";
import { LIBXC_FIELDS, LIBXL_FIELDS, type RecordFields } from "./record-fields.ts";
import { xenstoreFields } from "./xenstore-fields.ts";

/** Gives the fields of an event, or of one that was made of it by setting some. */
export type FieldsOf = (event: StreamEvent) => readonly ImageField[];

/**
 * Finds the fields of a stream's events: one for each stream.
 *
 * Paths start with the name of what `inspect` shows them under (`--section`) and go on as there. Of
 * records, entries and keys that come again the second is `NAME#2`, and so on.
 */
export class FieldReader {
  readonly #names = new Names();
  readonly #pv = new PvFields();

  /** Takes the next event, and gives how to find its fields. */
  enter(event: StreamEvent): FieldsOf {
    switch (event.kind) {
      case "xl-header":
        return (current) => (current.kind === event.kind ? xlFields(current) : []);
      case "domain-header":
        return (current) => (current.kind === event.kind ? domainFields(current) : []);
      case "record":
        return event.isInferred ? noFields : this.#enterRecord(event);
      default:
        return noFields;
    }
  }

  #enterRecord(event: RecordEvent): FieldsOf {
    if (event.layer === "libxl" && event.type === LIBXL_RECORD.EMULATOR_XENSTORE_DATA) {
      const root = this.#names.next("xenstore");
      return (current) => (current.kind === "record" ? xenstoreFields(current, root) : []);
    }
    const known = this.#fieldsOfType(event);
    if (known === undefined) {
      return noFields;
    }
    const root = this.#names.next(known.root);
    return (current) =>
      current.kind !== "record"
        ? []
        : orNone(() => known.fields(current)).map((field) =>
            fieldInBody(current, { ...field, path: joined(root, field.path) }),
          );
  }

  #fieldsOfType(event: RecordEvent): RecordFields | undefined {
    if (event.layer === "libxl") {
      return LIBXL_FIELDS.get(event.type);
    }
    this.#pv.take(event);
    return LIBXC_FIELDS.get(event.type) ?? this.#pv.of(event);
  }
}

const noFields: FieldsOf = () => [];

function joined(root: string, path: string): string {
  return path.startsWith("[") ? `${root}${path}` : `${root}.${path}`;
}
