import type { Mutant } from "./all.ts";
import type { Verdict, Verdicts } from "./verdict.ts";

const HEAD = `# Verdicts

What becomes of each mutant of a real image: our verdict and what it is for, what \`xl restore\` was
seen to do, and what Xen's \`verify-stream-v2\` says. Made from \`verdicts.json\` by
\`VERDICTS=write npx vitest run test/mutations\`; see [README.md](README.md). "counts on" is a guest
that went on with its memory intact once it was restored.
`;

/** The verdicts as a table to read. */
export function renderVerdicts(mutants: readonly Mutant[], { xen, verdicts }: Verdicts): string {
  const rows = mutants.map(({ mutation, kind }) => {
    const verdict = verdicts.find((one) => one.mutation === mutation.name && one.kind === kind);
    return [mutation.name, kind, ours(mutation.tells), restore(verdict), streamV2(verdict)];
  });
  const lines = [
    ["mutation", "image", "ours", `xl restore of Xen ${xen}`, "verify-stream-v2"],
    ["---", "---", "---", "---", "---"],
    ...rows,
  ].map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`);
  const differing = mutants.flatMap(({ mutation, kind }) =>
    mutation.differs === undefined ? [] : [`- ${mutation.name} (${kind}): ${mutation.differs}.`],
  );
  return `${HEAD}
${summaryOf(mutants, verdicts)}

Where ours differs from restore's, and why:

${differing.join("\n")}

${lines.join("\n")}
`;
}

function summaryOf(mutants: readonly Mutant[], verdicts: readonly Verdict[]): string {
  const isAccepted = ({ restore: outcome }: Verdict) => outcome === "accepted";
  const missed = verdicts.filter(
    (one) => !isAccepted(one) && one.verifyStreamV2 === "accepted",
  ).length;
  const refusedAlone = verdicts.filter(
    (one) => isAccepted(one) && one.guest === "goes on" && one.verifyStreamV2 !== "accepted",
  ).length;
  const refusedCount = verdicts.filter((one) => !isAccepted(one)).length;
  const seen = `${verdicts.length} of ${mutants.length} mutants were seen`;
  const first = `${seen}; restore does not take ${refusedCount} of those.`;
  return `${first} \`verify-stream-v2\` passes ${missed} of these, and refuses ${refusedAlone} whose
guest went on.`;
}

function ours(tells: readonly string[]): string {
  const isRefused = tells.some((finding) => finding.startsWith("refused"));
  const isViolated = tells.some((finding) => finding.startsWith("violated"));
  const word = isRefused ? "refused" : isViolated ? "violated" : "accepted";
  const codes = [...new Set(tells.map((finding) => finding.split(" ")[1]))];
  return codes.length === 0 ? word : `${word}: ${codes.join(", ")}`;
}

function restore(verdict: Verdict | undefined): string {
  if (verdict === undefined) {
    return "not seen";
  }
  const guest = verdict.guest === "goes on" ? "counts on" : verdict.guest;
  const more = verdict.restore === "accepted" ? guest : verdict.reason;
  return more === undefined ? verdict.restore : `${verdict.restore}: ${more}`;
}

function streamV2(verdict: Verdict | undefined): string {
  const { verifyStreamV2: outcome, verifyStreamV2Reason: reason } = verdict ?? {};
  return reason === undefined ? (outcome ?? "not seen") : `${outcome}: ${reason}`;
}
