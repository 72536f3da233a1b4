import { MigrationError } from "../base/errors.ts";
import type { StreamEvent } from "../codec/events.ts";
import { readScalar, type ScalarPlace, withScalar } from "../codec/scalar.ts";

/** One value that is stored in a stream. */
export interface ImageField<Event extends StreamEvent = StreamEvent> {
  /** Such as `hvm.HPET[0].config`. */
  readonly path: string;
  /** As `inspect` shows it. */
  readonly value: string | number;
  /** What has other values in it, and is not listed by itself. */
  readonly isWhole?: true;
  /**
   * The event with another value here; with the same value itself.
   *
   * @throws MigrationError FIELD_VALUE
   */
  readonly set: (text: string) => Event;
}

/** A value to set. */
export interface FieldEdit {
  readonly path: string;
  /** As `inspect --paths` prints it. */
  readonly value: string;
}

/** A value that was set. */
export interface FieldChange {
  readonly path: string;
  readonly before: string | number;
  readonly after: string | number;
}

/** Where in the body of a record a value is. */
export interface BodyField extends ScalarPlace {
  readonly path: string;
}

/** Gives things of one name different ones: the second is `NAME#2`. */
export class Names {
  readonly #counts = new Map<string, number>();

  next(name: string): string {
    const count = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, count);
    return count === 1 ? name : `${name}#${count}`;
  }
}

/** What is stored at a place of a body, as a field of `event`. */
export function fieldInBody<Event extends StreamEvent & { readonly body: Uint8Array }>(
  event: Event,
  { path, ...place }: BodyField,
): ImageField<Event> {
  return {
    path,
    value: readScalar(event.body, place),
    set: (text) => {
      const body = withScalar(event.body, place, text);
      return Buffer.compare(body, event.body) === 0 ? event : { ...event, body };
    },
  };
}

/** What `read` gives; nothing of a record that is too damaged to have fields. */
export function orNone<Item>(read: () => Iterable<Item>): readonly Item[] {
  try {
    return [...read()];
  } catch (error) {
    if (error instanceof MigrationError) {
      return [];
    }
    throw error;
  }
}
