import type { RestoreArguments, SaveArguments } from "./arguments.ts";
import type { LibxlChannel, RestoreResults } from "./libxl-channel.ts";
import type { HelperReporter } from "./reporter.ts";
import type { HelperSettings } from "./settings.ts";

/** What every job of a helper has besides its arguments. */
interface JobParts {
  readonly channel: LibxlChannel;
  /** Told what happens, for whoever started `xl`. */
  readonly reporter: HelperReporter;
  readonly settings: HelperSettings;
  /**
   * Aborted when libxl wants the job given up, or is gone: stop soon, put the guest back, reject.
   */
  readonly signal: AbortSignal;
}

/** One guest to save. The descriptors stay open until the process ends. */
export type SaveJob = Omit<SaveArguments, "operation" | "callbackFlags"> & JobParts;

/** One guest to restore. */
export type RestoreJob = Omit<RestoreArguments, "operation" | "callbackFlags"> & JobParts;

/** What saves and restores domains of this machine for libxl. */
export interface HelperBackend {
  /**
   * Writes libxc's stream of a domain to `streamFd`, up to and with its END.
   *
   * Whatever happens, what it switched on (log-dirty mode, the device model's part of it) is
   * switched off again before this settles; where libxl is gone, all of it that does without.
   * libxl resumes the guest, if it was suspended.
   *
   * @throws MigrationError
   */
  save(job: SaveJob): Promise<void>;
  /**
   * Reads libxc's stream from `streamFd`, not one octet behind its END, into the empty domain.
   *
   * On failure the domain is left as it is: libxl destroys it.
   *
   * @throws MigrationError
   */
  restore(job: RestoreJob): Promise<RestoreResults>;
}
