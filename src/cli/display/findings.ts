import type { DigestComparison, DigestDifference } from "../../migration/memory-digest.ts";
import type { VerifyResult } from "../../migration/stream-verifier.ts";
import type { Finding } from "../../migration/verify-findings.ts";
import { formatBytes, formatCount } from "../../report/format.ts";

/** A line for each finding: how bad, what, where, what to do. */
export function findingLines({ findings, summary }: VerifyResult): readonly string[] {
  const omitted = summary.findingCount - findings.length;
  const more = omitted > 0 ? [`and ${formatCount(omitted)} more findings`] : [];
  return [...findings.map(findingLine), ...more];
}

/** One finding as a line. */
export function findingLine(finding: Finding): string {
  const { severity, code, sentence, advice, offset, layer, record, facts } = finding;
  const where = Object.entries({ offset, layer, record, ...facts })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${value}`);
  return `${severity}: ${sentence} (${where.join(", ")}) [${code}]; what to do: ${advice}`;
}

/** The verdict, what was read, and what the memory is. */
export function verdictLine(name: string, { summary }: VerifyResult): string {
  const word = summary.isAccepted ? "accepted" : summary.isRefused ? "REFUSED" : "NOT accepted";
  const size = [
    `${formatCount(summary.recordCount)} records`,
    `${formatCount(summary.frameCount)} frames with memory`,
    formatBytes(summary.bytes),
    summary.depth === "deep" ? "every octet looked at" : "pages not looked at",
  ];
  const lines = [`${name}: ${word}: ${size.join(", ")}`];
  if (summary.comparedPageCount > 0) {
    const differing = summary.differingPageCount;
    const told = differing === undefined ? "" : `, ${formatCount(differing)} of them different`;
    lines.push(`sent again to compare: ${formatCount(summary.comparedPageCount)} pages${told}`);
  }
  if (summary.memoryDigest !== undefined) {
    lines.push(`memory: sha256 of frames and CRC32C ${summary.memoryDigest}`);
  }
  if (summary.trailingSentence !== undefined) {
    const sentence = summary.trailingSentence.toLowerCase();
    lines.push(`after the end: ${summary.trailingBytes} octets, xl's sentence of ${sentence}`);
  }
  return lines.join("\n");
}

/** What a digest says of the memory: equal, or how many frames differ and where the first lies. */
export function digestLine({ frames, differing, by, first }: DigestComparison): string {
  if (first === undefined) {
    return `digest: the memory is the same, ${formatCount(frames)} frames`;
  }
  const kinds = Object.entries(by)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${DIGEST_WORDS[kind as DigestDifference]} ${formatCount(count)}`);
  const where = first.offset === undefined ? "" : `, whose page is at offset ${first.offset}`;
  const pfn = `0x${first.pfn.toString(16)}`;
  return (
    `digest: ${formatCount(differing)} of ${formatCount(frames)} frames differ ` +
    `(${kinds.join(", ")}); the first is ${pfn}${where}`
  );
}

const DIGEST_WORDS: Readonly<Record<DigestDifference, string>> = {
  content: "other content",
  type: "other type",
  missing: "missing",
  extra: "not in the digest",
};
