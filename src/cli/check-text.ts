import type { GuestCheck } from "../guest/types.ts";
import { formatCount, formatMs } from "../report/format.ts";

/** Whether a check found nothing wrong. */
export function isProven(check: GuestCheck): boolean {
  const faults = check.vcpus.reduce((sum, vcpu) => sum + vcpu.faults, 0n);
  return check.pagesBad === 0 && check.versionsMatch && faults === 0n;
}

/** A check in a few lines. */
export function renderCheck(check: GuestCheck): string {
  const good = formatCount(check.pagesChecked - check.pagesBad);
  const lines = [
    `${good} of ${formatCount(check.pagesChecked)} pages hold what their number and version demand`,
    check.versionsMatch
      ? "all versions add up to what the vCPUs stored: no page is stale"
      : "the versions do not add up to what the vCPUs stored: a page is stale",
  ];
  if (check.badPfns.length > 0) {
    lines.push(`first bad pages: ${check.badPfns.join(", ")}`);
  }
  lines.push(`the guest stood still for ${formatMs(check.pauseMs)} for this check`);
  return lines.join("\n");
}
