import { MigrationError } from "../base/errors.ts";
import { openRegistry } from "../guest/registry.ts";
import type { ListedDomain } from "../xl/domains.ts";
import { needXl, Xl } from "../xl/xl.ts";
import type { Context } from "./context.ts";

/** A guest that a command line names. */
export type ChosenGuest =
  | { readonly kind: "embedded"; readonly name: string }
  | { readonly kind: "xen"; readonly xl: Xl; readonly domain: ListedDomain };

/** How guests are named on the command line; for `--help`. */
export const GUEST_HELP = `
GUEST is the name of an embedded guest or of a domain of this machine's Xen, as 'xenferry list'
shows them; a domain's number will do, too. Where one of each has that name, xen:GUEST or
embedded:GUEST says which.`;

/**
 * The guest that `text` names: `xen:NAME`, `embedded:NAME`, or `NAME` of either kind.
 *
 * @throws MigrationError GUEST_AMBIGUOUS, GUEST_NOT_FOUND; GUEST_LOST, GUEST_CONFIG; with `xen:`
 *   also GUEST_UNAVAILABLE, XL_OUTPUT
 */
export async function chooseGuest(text: string, context: Context): Promise<ChosenGuest> {
  const [, kind, name = text] = /^(xen|embedded):(.*)$/s.exec(text) ?? [];
  if (kind === "embedded") {
    return { kind, name };
  }
  const xl = Xl.find(process.env);
  if (kind === "xen") {
    const domain = domainNamed(name, await needXl(xl).domains());
    if (domain === undefined) {
      throw new MigrationError("GUEST_NOT_FOUND", { name, kind });
    }
    return { kind, xl: needXl(xl), domain };
  }
  const missing = await whyNotEmbedded(name, context);
  const domain = domainNamed(
    name,
    await domainsIfAny(xl, missing === undefined ? undefined : context),
  );
  if (domain !== undefined && missing === undefined) {
    throw new MigrationError("GUEST_AMBIGUOUS", { name });
  }
  if (domain !== undefined) {
    return { kind: "xen", xl: needXl(xl), domain };
  }
  if (missing !== undefined) {
    throw missing.error;
  }
  return { kind: "embedded", name };
}

/**
 * This machine's domains; none where there is no Xen.
 *
 * @param context where a note is made if `xl` is there all the same.
 */
export async function domainsIfAny(
  xl: Xl | undefined,
  context: Pick<Context, "note"> | undefined,
): Promise<readonly ListedDomain[]> {
  try {
    return (await xl?.domains()) ?? [];
  } catch (error) {
    if (error instanceof MigrationError) {
      context?.note(`no domains of Xen: ${error.message}`);
      return [];
    }
    throw error;
  }
}

/** @throws MigrationError as {@link chooseGuest}; USAGE_ARGUMENT it is a domain of Xen */
export async function chooseEmbedded(text: string, context: Context): Promise<string> {
  const guest = await chooseGuest(text, context);
  if (guest.kind === "xen") {
    const needs = "an embedded guest; xl itself does this with domains of Xen";
    throw new MigrationError("USAGE_ARGUMENT", { guest: guest.domain.name, needs });
  }
  return guest.name;
}

/** A name counts before a number. */
function domainNamed(text: string, domains: readonly ListedDomain[]): ListedDomain | undefined {
  return (
    domains.find(({ name }) => name === text) ?? domains.find(({ domid }) => `${domid}` === text)
  );
}

async function whyNotEmbedded(name: string, { runDir }: Context) {
  try {
    await (await openRegistry(runDir)).find(name);
    return undefined;
  } catch (error) {
    return { error };
  }
}
