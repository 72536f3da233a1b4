/** A word as a POSIX shell reads it back, whatever is in it. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** Words as one shell command. */
export function shellCommand(words: readonly string[]): string {
  return words.map(shellWord).join(" ");
}
