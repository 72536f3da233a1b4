import { valueError } from "./scalar.ts";

/** Arrays and objects in each other that are looked into. */
const DEPTH_MAX = 100;

/** Values that are told apart. @inferred a configuration has some hundred. */
const PLACES_MAX = 65_536;

const BLANK = /[ \t\n\r]/;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const LITERAL = /true|false|null/y;

/** One value in a text of JSON. */
export interface JsonPlace {
  /** `b_info.max_vcpus`, `disks[0].pdev_path`; empty for the whole. */
  readonly path: string;
  readonly kind: "string" | "number" | "literal" | "object" | "array";
  /** From the first octet of it to the one behind its last. */
  readonly start: number;
  readonly end: number;
  /** Without values in it. */
  readonly isLeaf: boolean;
}

/**
 * Finds all values in a text of JSON, so that one can be replaced and the rest stays as it was.
 *
 * @param text in UTF-8. What is no JSON has no values, and neither has what is nested more than 100
 *   deep or has more than 65,536 of them.
 */
export function jsonPlaces(text: Uint8Array): readonly JsonPlace[] {
  // One character an octet, so that places are those of octets; what matters is ASCII.
  const scan = new JsonScan(Buffer.from(text).toString("latin1"));
  return isJson(text) && scan.value("", 1) ? scan.places : [];
}

/** What a value is, as text: strings without quotes, all else but blanks as it stands there. */
export function jsonText(text: Uint8Array, { kind, start, end, isLeaf }: JsonPlace): string {
  if (isLeaf && (kind === "object" || kind === "array")) {
    return kind === "object" ? "{}" : "[]";
  }
  const source = Buffer.from(text.subarray(start, end)).toString("utf8");
  return kind === "string" ? String(JSON.parse(source)) : source;
}

/**
 * The text with another value in its place, which has to be of the same kind; `null` can become
 * anything.
 *
 * @param value as {@link jsonText} gives it; whole numbers also in hexadecimal.
 * @throws MigrationError FIELD_VALUE
 */
export function withJsonValue(text: Uint8Array, place: JsonPlace, value: string): Uint8Array {
  if (value === jsonText(text, place)) {
    return text;
  }
  const literal = Buffer.from(literalOf(text[place.start]!, place.kind, value), "utf8");
  const [before, after] = [text.subarray(0, place.start), text.subarray(place.end)];
  return new Uint8Array(Buffer.concat([before, literal, after]));
}

function literalOf(firstOctet: number, kind: JsonPlace["kind"], value: string): string {
  switch (kind) {
    case "string":
      return JSON.stringify(value);
    case "number":
      if (/^0x[0-9a-f]+$/i.test(value)) {
        return BigInt(value).toString();
      }
      NUMBER.lastIndex = 0;
      return demand(NUMBER.exec(value)?.[0] === value, value, "a number");
    case "literal":
      return String.fromCharCode(firstOctet) === "n"
        ? demand(isJson(Buffer.from(value)), value, "JSON")
        : demand(/^(true|false)$/.test(value), value, "true or false");
    case "object":
      return demand(/^\s*\{/.test(value) && isJson(Buffer.from(value)), value, "a JSON object");
    case "array":
      return demand(/^\s*\[/.test(value) && isJson(Buffer.from(value)), value, "a JSON array");
  }
}

/** @throws MigrationError FIELD_VALUE */
function demand(isRight: boolean, value: string, wanted: string): string {
  if (!isRight) {
    throw valueError(value, { wanted });
  }
  return value;
}

function isJson(text: Uint8Array): boolean {
  try {
    JSON.parse(Buffer.from(text).toString("utf8"));
    return true;
  } catch {
    return false;
  }
}

/** Goes through a text that is known to be JSON. */
class JsonScan {
  readonly places: JsonPlace[] = [];
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Takes the value that comes next; false where there are too many, or in too many others. */
  value(path: string, depth: number): boolean {
    this.#skipBlanks();
    const start = this.#at;
    const first = this.#text[start];
    if (this.places.length === PLACES_MAX || depth > DEPTH_MAX) {
      return false;
    }
    if (first === "{" || first === "[") {
      return this.#container(path, depth, first);
    }
    const kind = first === '"' ? "string" : /[tfn]/.test(first ?? "") ? "literal" : "number";
    if (kind === "string") {
      this.#string();
    } else {
      this.#token(kind === "literal" ? LITERAL : NUMBER);
    }
    this.places.push({ path, kind, start, end: this.#at, isLeaf: true });
    return true;
  }

  #container(path: string, depth: number, first: "{" | "["): boolean {
    const kind = first === "[" ? "array" : "object";
    const start = this.#at++;
    const place = this.places.push({ path, kind, start, end: start, isLeaf: true }) - 1;
    let index = 0;
    for (this.#skipBlanks(); !/[\]}]/.test(this.#text[this.#at]!); index++) {
      const inner = first === "[" ? `${path}[${index}]` : this.#member(path);
      if (!this.value(inner, depth + 1)) {
        return false;
      }
      this.#skipBlanks();
      this.#at += this.#text[this.#at] === "," ? 1 : 0;
      this.#skipBlanks();
    }
    this.#at++;
    this.places[place] = { path, kind, start, end: this.#at, isLeaf: index === 0 };
    return true;
  }

  /** Takes a name and its colon. */
  #member(path: string): string {
    const name = JSON.parse(Buffer.from(this.#string(), "latin1").toString("utf8"));
    this.#skipBlanks();
    this.#at++;
    return path === "" ? String(name) : `${path}.${name}`;
  }

  /** Takes a string, with its quotes. */
  #string(): string {
    const start = this.#at++;
    while (this.#text[this.#at] !== '"') {
      this.#at += this.#text[this.#at] === "\\" ? 2 : 1;
    }
    this.#at++;
    return this.#text.slice(start, this.#at);
  }

  #token(pattern: RegExp): void {
    pattern.lastIndex = this.#at;
    this.#at += pattern.exec(this.#text)?.[0].length ?? 0;
  }

  #skipBlanks(): void {
    while (BLANK.test(this.#text[this.#at] ?? "")) {
      this.#at++;
    }
  }
}
