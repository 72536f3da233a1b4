import { processBackend } from "./process/backend.ts";
import { openRegistry } from "./registry.ts";
import { syntheticBackend } from "./synthetic/backend.ts";
import type { GuestBackend, GuestKind, GuestSource } from "./types.ts";

/** Where guests are. */
export interface GuestPlace {
  /** Folder of the registry. */
  readonly runDir: string;
}

/** A guest as `list` shows it before anything is asked of it. */
export interface ListedGuest {
  readonly name: string;
  readonly kind: GuestKind;
}

/**
 * The backend of one kind of guest. @throws MigrationError GUEST_HOST_CALL the registry's folder
 */
export async function openBackend(kind: GuestKind, { runDir }: GuestPlace): Promise<GuestBackend> {
  const registry = await openRegistry(runDir);
  switch (kind) {
    case "process":
      return processBackend({ registry });
    case "synthetic":
      return syntheticBackend({ registry });
  }
}

/** Attaches to a guest of whatever kind. @throws MigrationError GUEST_NOT_FOUND, GUEST_LOST */
export async function attachGuest(name: string, place: GuestPlace): Promise<GuestSource> {
  const { kind } = await (await openRegistry(place.runDir)).find(name);
  return (await openBackend(kind, place)).attach(name);
}

/** Living guests, by name. */
export async function listGuests({ runDir }: GuestPlace): Promise<readonly ListedGuest[]> {
  return (await openRegistry(runDir)).list();
}
