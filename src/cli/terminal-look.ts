import type { TerminalLook } from "../report/tty.ts";

/** What the terminal can show: characters beyond ASCII only where the locale has them. */
export function terminalLook(width: number): TerminalLook {
  const { LC_ALL, LC_CTYPE, LANG, TERM } = process.env;
  const locale = [LC_ALL, LC_CTYPE, LANG].find((name) => name !== undefined && name !== "") ?? "";
  const isUnicode = /utf-?8/i.test(locale) && TERM !== "dumb" && TERM !== "linux";
  return { width, characters: isUnicode ? "unicode" : "ascii" };
}
