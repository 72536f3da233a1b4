import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { shellCommand, shellWord } from "../../src/xl/quote.ts";

const ODD = [
  "",
  " ",
  "a b",
  "'",
  "''",
  `a'b"c`,
  "$(id)",
  "`id`",
  "\\",
  "a\nb",
  "*",
  "~",
  "ünï",
  "-n",
];

test.each(ODD)("a shell reads %j back as it was", (word) => {
  const command = `printf '%s' ${shellWord(word)}`;
  expect(execFileSync("sh", ["-c", command], { encoding: "utf8" })).toBe(word);
});

test("words survive two shells, as behind ssh", () => {
  const inner = shellCommand(["printf", "%s|", ...ODD]);
  const outer = `sh -c ${shellWord(inner)}`;
  const output = execFileSync("sh", ["-c", outer], { encoding: "utf8" });
  expect(output).toBe(ODD.map((word) => `${word}|`).join(""));
});

test("plain words stay plain", () => {
  expect(shellCommand(["env", "A=/b/c", "xl", "-p", "root@host"])).toBe(
    "env A=/b/c xl -p root@host",
  );
});
