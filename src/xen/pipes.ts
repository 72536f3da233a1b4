import { MigrationError } from "../base/errors.ts";
import { type PumpAddon, probePump } from "../transport/pump-addon.ts";

/** The add-on that reads and writes descriptors. @throws MigrationError GUEST_UNAVAILABLE */
export function needPumpAddon(): PumpAddon {
  const { addon, reason } = probePump();
  if (addon === undefined) {
    throw new MigrationError("GUEST_UNAVAILABLE", { kind: "xen", reason });
  }
  return addon;
}
