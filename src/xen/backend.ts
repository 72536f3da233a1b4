import { MigrationError } from "../base/errors.ts";
import type { HelperBackend } from "../helper/backend.ts";

/**
 * Opens Xen's libraries.
 *
 * @throws MigrationError GUEST_UNAVAILABLE: this version cannot reach Xen's guests yet.
 */
export async function openXenBackend(): Promise<HelperBackend> {
  const reason = "this version of xenferry does not open libxenctrl yet";
  throw new MigrationError("GUEST_UNAVAILABLE", { kind: "xen", reason });
}
