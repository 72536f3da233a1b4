import type { JoinedProfile } from "../report/joined-profile.ts";
import type { ListedDomain } from "./domains.ts";
import { failureOf, tellWords } from "./failure.ts";
import { askFarEnd, type ClockOffset, FAR_END_WORDS } from "./far-end.ts";
import { joinProfiles } from "./join-profiles.ts";
import { runXl, type XlTask } from "./operation.ts";
import { receiverCommand, remoteCommand, type XenAddress } from "./receiver.ts";
import { guestState } from "./state.ts";

/** A live migration of a domain by `xl`. */
export interface XlMigrate extends Omit<XlTask, "args"> {
  readonly domain: ListedDomain;
  readonly address: XenAddress;
  /** The address as the user writes it. */
  readonly host: string;
  /** The shell's words for ssh. */
  readonly ssh: string;
  /** Path of our helper there, where it is not to be asked for. */
  readonly remoteHelper?: string | undefined;
  readonly isPaused: boolean;
  /** Takes the profile of a migration that failed, too. */
  readonly onProfile: (profile: JoinedProfile) => Promise<void>;
}

/**
 * Has `xl` migrate a domain, with our helper at both ends where there is one.
 *
 * @throws MigrationError XL_FAILED, HANDSHAKE_REFUSED, MIGRATION_INTERRUPTED the guest is here, as
 *   it was; HANDSHAKE_UNDECIDED; TRANSPORT_OPEN ssh does not get there
 */
export async function migrateByXl(migrate: XlMigrate): Promise<JoinedProfile> {
  const { xl, domain, address, host, signal, note, onProfile } = migrate;
  const xenVersion = await xl.version();
  const { helper, clock } = await farHelper(migrate);
  const receiver = receiverCommand({ ...migrate, address, localXl: xl.program, helper });
  const args = ["migrate", "-s", "", "--", String(domain.domid), receiver];
  const outcome = await runXl({ ...migrate, args });
  const guest = outcome.status === 0 ? undefined : await guestState(xl, domain);
  const failure = failureOf(outcome, { command: "migrate", signal, guest });
  const errorCode = failure?.code;
  const profile = joinProfiles({ outcome, domain, host, xenVersion, clock, errorCode });
  await onProfile(profile);
  if (failure !== undefined) {
    tellWords(outcome, note);
    throw failure;
  }
  return profile;
}

/** What is known of the other end before `xl` goes there. */
interface FarHelper {
  readonly helper: string | undefined;
  readonly clock: ClockOffset | "same" | undefined;
}

async function farHelper(migrate: XlMigrate): Promise<FarHelper> {
  const { address, ssh, remoteHelper, xl, variables, host, note, signal } = migrate;
  switch (address.kind) {
    case "local":
      return { helper: remoteHelper ?? variables.LIBXL_SAVE_HELPER, clock: "same" };
    case "exec":
      return { helper: undefined, clock: undefined };
    case "ssh": {
      const command = remoteCommand({ address, ssh }, FAR_END_WORDS);
      const there = await askFarEnd(command, { environment: xl.environment, signal });
      if ("clock" in there) {
        return { helper: remoteHelper ?? there.saveHelper, clock: there.clock };
      }
      const instead = remoteHelper === undefined ? "; Xen's own helper receives there" : "";
      note(`xenferry does not answer at ${host} (${there.reason})${instead}`);
      return { helper: remoteHelper, clock: undefined };
    }
  }
}
