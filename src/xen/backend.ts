import type { HelperBackend } from "../helper/backend.ts";
import { openXen } from "./addon.ts";
import { restoreDomain } from "./restore.ts";
import { saveDomain } from "./save.ts";

/**
 * Opens Xen's libraries, and with them this machine's domains.
 *
 * @param folder where they lie; the dynamic linker's places where it is absent.
 * @throws MigrationError GUEST_UNAVAILABLE, with the reason.
 */
export async function openXenBackend(folder?: string): Promise<HelperBackend> {
  const xen = openXen(folder);
  return {
    save: (job) => saveDomain(xen, job),
    restore: (job) => restoreDomain(xen, job),
  };
}
