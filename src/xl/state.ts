import type { ListedDomain } from "./domains.ts";
import type { Xl } from "./xl.ts";

/** What became of a guest here, such as "running"; "gone", or undefined if `xl` does not say. */
export async function guestState(xl: Xl, { domid }: ListedDomain): Promise<string | undefined> {
  try {
    const domains = await xl.domains();
    return domains.find((domain) => domain.domid === domid)?.state ?? "gone";
  } catch {
    return undefined;
  }
}
