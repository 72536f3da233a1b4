const LINE_BYTES = 16;

/**
 * Octets in lines of sixteen: offset, hexadecimal, text. Lines equal to the one before are left
 * out, and an asterisk stands for them; the last line is the offset behind the end.
 *
 * @param start the offset of the first octet.
 */
export function renderHexDump(bytes: Uint8Array, start = 0): string {
  const lines: string[] = [];
  let previous: string | undefined;
  for (let offset = 0; offset < bytes.length; offset += LINE_BYTES) {
    const line = renderLine(bytes.subarray(offset, offset + LINE_BYTES));
    if (line !== previous) {
      lines.push(`${offsetText(start + offset)}  ${line}`);
    } else if (lines.at(-1) !== "*") {
      lines.push("*");
    }
    previous = line;
  }
  return [...lines, offsetText(start + bytes.length)].join("\n");
}

/** Lines of sixteen octets that differ: `<` and what one has, `>` and what the other has. */
export function renderHexDifference(one: Uint8Array, other: Uint8Array): string {
  const lines: string[] = [];
  for (let offset = 0; offset < Math.max(one.length, other.length); offset += LINE_BYTES) {
    const [line, otherLine] = [one, other].map((bytes) =>
      renderLine(bytes.subarray(offset, offset + LINE_BYTES)),
    );
    if (line !== otherLine) {
      lines.push(`< ${offsetText(offset)}  ${line}`, `> ${offsetText(offset)}  ${otherLine}`);
    }
  }
  return lines.join("\n");
}

function offsetText(offset: number): string {
  return offset.toString(16).padStart(8, "0");
}

function renderLine(bytes: Uint8Array): string {
  const digits = Array.from(bytes, (octet) => octet.toString(16).padStart(2, "0"));
  const halves = [digits.slice(0, LINE_BYTES / 2), digits.slice(LINE_BYTES / 2)];
  const hex = halves.map((half) => half.join(" ")).join("  ");
  const text = Array.from(bytes, (octet) =>
    octet >= 0x20 && octet < 0x7f ? String.fromCharCode(octet) : ".",
  );
  return `${hex.padEnd(LINE_BYTES * 3)} |${text.join("")}|`;
}
