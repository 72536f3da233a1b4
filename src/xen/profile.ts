import { PAGE_BYTES } from "../base/units.ts";
import type { RestoreJob, SaveJob } from "../helper/backend.ts";
import {
  composeProfile,
  type ProfileContent,
  type ProfileFrame,
} from "../migration/profile-frame.ts";
import type { DomainInfo } from "./addon.ts";

/** A domain as profiles describe it. Its name is libxl's matter. */
export function describeDomain(domid: number, info: DomainInfo): ProfileFrame["guest"] {
  return {
    name: `domain ${domid}`,
    kind: info.isHvm ? "xen-hvm" : "xen-pv",
    memoryBytes: info.totalPages * PAGE_BYTES,
    vcpus: info.vcpus,
  };
}

/** Reports a profile to whoever started `xl`, if somebody listens. */
export function reportProfile(
  { reporter }: Pick<SaveJob | RestoreJob, "reporter">,
  frame: ProfileFrame,
  content: ProfileContent,
): void {
  if (reporter.isHeard) {
    reporter.profile(composeProfile(frame, content));
  }
}
