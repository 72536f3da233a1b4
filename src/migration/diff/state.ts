import type { Json } from "../inspect-json.ts";

/** Parts of a guest beside its memory, in the order in which they are told. */
export const STATE_AREAS = [
  "headers",
  "config",
  "cpuid",
  "msr",
  "tsc",
  "params",
  "hvm",
  "pv",
  "vcpus",
  "shared-info",
  "xenstore",
  "emulator",
  "records",
] as const;
export type StateArea = (typeof STATE_AREAS)[number];

/** What a field holds; octets where nothing is known of what is in them. */
export type StateValue = string | number | boolean | null | Uint8Array;

/** One field. */
export interface StateField {
  readonly area: StateArea;
  readonly value: StateValue;
  /**
   * Whether these are all the octets that the fields whose paths start with this one's were
   * decoded from: told only where none of those differs.
   */
  readonly isWhole: boolean;
}

/** A guest's state as fields with paths, such as `hvm.CPU[0].rip`. */
export class GuestState {
  readonly #fields = new Map<string, StateField>();
  readonly #times = new Map<string, number>();

  /** By path, in the order of the image. */
  get fields(): ReadonlyMap<string, StateField> {
    return this.#fields;
  }

  /** Takes a field. A path that is there already gets a number: the second is `#2`. */
  put(area: StateArea, path: string, value: StateValue): void {
    this.#put(path, { area, value, isWhole: false });
  }

  /** Takes octets of which fields have been put with paths that start with this one. */
  putWhole(area: StateArea, path: string, octets: Uint8Array): void {
    this.#put(path, { area, value: octets, isWhole: true });
  }

  /**
   * Takes a value with all that is in it: members behind a dot, entries by their numbers; an entry
   * that says which vCPU or vector it is of has that number.
   */
  putAll(area: StateArea, path: string, value: Json): void {
    if (typeof value !== "object" || value === null) {
      this.put(area, path, value);
    } else if (isList(value)) {
      value.forEach((entry, index) => {
        this.putAll(area, `${path}[${numberOf(entry) ?? index}]`, entry);
      });
    } else {
      for (const [name, member] of Object.entries(value)) {
        this.putAll(area, `${path}.${name}`, member);
      }
    }
  }

  #put(path: string, field: StateField): void {
    const times = (this.#times.get(path) ?? 0) + 1;
    this.#times.set(path, times);
    this.#fields.set(times === 1 ? path : `${path}#${times}`, field);
  }
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function numberOf(entry: Json): Json | undefined {
  if (typeof entry !== "object" || entry === null || isList(entry)) {
    return undefined;
  }
  const { vcpu, vector } = entry as { readonly vcpu?: Json; readonly vector?: Json };
  return vcpu ?? vector;
}
