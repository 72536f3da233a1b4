import type { ProgressEvent } from "../../migration/progress.ts";
import type { Profile } from "../../report/profile.ts";

/** An operation that begins. */
export interface Beginning extends Pick<Profile, "operation" | "startedAt" | "target" | "clock"> {
  /** On the context's clock. */
  readonly startMs: number;
  /** Name of the guest, where it is known. */
  readonly guest?: string | undefined;
}

/** How it ended. */
export interface Ending
  extends Pick<
    Profile,
    | "outcome"
    | "errorCode"
    | "totalMs"
    | "totalBytes"
    | "totalPagesSent"
    | "stopReason"
    | "downtime"
    | "resources"
  > {
  readonly guest?: string | undefined;
}

/**
 * Looks on at operations, one after the other. What is called while one runs may be called while a
 * guest stands still: it takes no time, and does not throw.
 */
export interface Onlooker {
  /** A receiver waits for guests. */
  listens(address: string): void;
  begins(beginning: Beginning): void;
  /** The guest that is being received is known. */
  names(guest: string): void;
  sees(event: ProgressEvent): void;
  ends(ending: Ending): void;
  /** No more comes. Resolves when all is told. */
  close(): Promise<void>;
}

/** Several onlookers as one. */
export function together(onlookers: readonly Onlooker[]): Onlooker {
  const each = (tell: (onlooker: Onlooker) => void) => {
    onlookers.forEach(tell);
  };
  return {
    listens: (address) => each((onlooker) => onlooker.listens(address)),
    begins: (beginning) => each((onlooker) => onlooker.begins(beginning)),
    names: (guest) => each((onlooker) => onlooker.names(guest)),
    sees: (event) => each((onlooker) => onlooker.sees(event)),
    ends: (ending) => each((onlooker) => onlooker.ends(ending)),
    close: async () => {
      await Promise.all(onlookers.map((onlooker) => onlooker.close()));
    },
  };
}
