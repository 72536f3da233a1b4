import { MigrationError } from "../base/errors.ts";

/** A value of an xl.cfg file; a number is kept as its text, as in Xen's own parser. */
export type XlValue = string | readonly XlValue[];

/** The settings of an xl.cfg file by key; of two assignments to one key the later counts. */
export type XlSettings = ReadonlyMap<string, XlValue>;

type TokenKind = "identifier" | "atom" | "," | "[" | "]" | "=" | "+=" | "end" | "newline";

interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly line: number;
}

const TOKEN_FORMS = [
  /(?<identifier>[a-z][._0-9a-z]*)/,
  /(?<number>[0-9][0-9a-fx]*)/,
  /(?<blank>[ \t\r]+|#[^\n]*)/,
  /(?<newline>\n)/,
  /(?<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/,
  /(?<mark>\+=|[,[\]=;])/,
];
const TOKEN = TOKEN_FORMS.map((form) => form.source).join("|");

const ESCAPE = /\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)/g;
const ESCAPED = new Map<string, string>([
  ["a", "\x07"],
  ["b", "\b"],
  ["f", "\f"],
  ["n", "\n"],
  ["r", "\r"],
  ["t", "\t"],
  ["v", "\v"],
  ["\\", "\\"],
  ["'", "'"],
  ['"', '"'],
]);

/** Deepest nesting of lists; xl's own keys nest two deep. */
const LIST_DEPTH_MAX = 16;

/**
 * Parses the syntax of an xl.cfg file: KEY=VALUE or KEY+=VALUE, ended by newlines or semicolons.
 *
 * @throws MigrationError GUEST_CONFIG with the line
 * @source docs/man/xl.cfg.5.pod.in, "SYNTAX"; tools/libs/util/libxlu_cfg_l.l, libxlu_cfg_y.y
 */
export function parseXlCfg(text: string): XlSettings {
  const parser = new Parser(tokenize(text));
  const settings = new Map<string, XlValue>();
  for (;;) {
    const token = parser.take("newline", "identifier", "end");
    if (token.kind === "end") {
      return settings;
    }
    if (token.kind === "identifier") {
      const operator = parser.take("=", "+=");
      const value = parser.value(0);
      const before = settings.get(token.text);
      settings.set(
        token.text,
        operator.kind === "=" ? value : joined(before, value, operator.line),
      );
      parser.take("newline", "end");
    }
  }
}

/** What `+=` makes of two lists or two strings. */
function joined(before: XlValue | undefined, value: XlValue, line: number): XlValue {
  if (before === undefined) {
    return value;
  }
  if (typeof before === "string" && typeof value === "string") {
    return before + value;
  }
  if (typeof before !== "string" && typeof value !== "string") {
    return [...before, ...value];
  }
  throw new MigrationError("GUEST_CONFIG", { line, reason: "+= joins a list with a string" });
}

class Parser {
  readonly #tokens: readonly Token[];
  #index = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** The next token, which must be of one of `kinds`. The last token is always "end". */
  take(...kinds: readonly TokenKind[]): Token {
    const token = this.#peek();
    if (!kinds.includes(token.kind)) {
      const found = token.kind === "end" ? "the end of the file" : JSON.stringify(token.text);
      const reason = `${found} where ${kinds.join(" or ")} is expected`;
      throw new MigrationError("GUEST_CONFIG", { line: token.line, reason });
    }
    this.#index += token.kind === "end" ? 0 : 1;
    return token;
  }

  /** A string, a number, or a list, which may span lines and end with a comma. */
  value(depth: number): XlValue {
    const first = this.take("atom", "[");
    if (first.kind === "atom") {
      return first.text;
    }
    if (depth === LIST_DEPTH_MAX) {
      throw new MigrationError("GUEST_CONFIG", { line: first.line, reason: "lists nest too deep" });
    }
    const values: XlValue[] = [];
    this.#skipNewlines();
    while (this.#peek().kind !== "]") {
      values.push(this.value(depth + 1));
      this.#skipNewlines();
      if (this.#peek().kind !== "]") {
        this.take(",");
        this.#skipNewlines();
      }
    }
    this.take("]");
    return values;
  }

  #peek(): Token {
    return this.#tokens[this.#index]!;
  }

  #skipNewlines(): void {
    while (this.#peek().kind === "newline") {
      this.#index += 1;
    }
  }
}

function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  const form = new RegExp(TOKEN, "y");
  let line = 1;
  let index = 0;
  while (index < text.length) {
    form.lastIndex = index;
    const groups = form.exec(text)?.groups;
    if (groups === undefined) {
      const reason = `the character ${JSON.stringify(text[index])} cannot stand here`;
      throw new MigrationError("GUEST_CONFIG", { line, reason });
    }
    index = form.lastIndex;
    const { identifier, number, newline, string, mark } = groups;
    if (identifier !== undefined) {
      tokens.push({ kind: "identifier", text: identifier, line });
    } else if (number !== undefined) {
      tokens.push({ kind: "atom", text: number, line });
    } else if (string !== undefined) {
      tokens.push({ kind: "atom", text: unquoted(string, line), line });
    } else if (mark === ";") {
      tokens.push({ kind: "newline", text: mark, line });
    } else if (mark !== undefined) {
      tokens.push({ kind: mark as TokenKind, text: mark, line });
    } else if (newline !== undefined) {
      tokens.push({ kind: "newline", text: newline, line });
      line += 1;
    }
  }
  tokens.push({ kind: "end", text: "", line });
  return tokens;
}

function unquoted(quoted: string, line: number): string {
  return quoted.slice(1, -1).replace(ESCAPE, (_, code: string) => {
    const known = ESCAPED.get(code);
    if (known !== undefined) {
      return known;
    }
    if (/^x..$/.test(code)) {
      return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    }
    if (/^[0-7]+$/.test(code)) {
      return String.fromCharCode(Number.parseInt(code, 8) % 256);
    }
    throw new MigrationError("GUEST_CONFIG", { line, reason: `\\${code} is no escape` });
  });
}
