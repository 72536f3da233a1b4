import { closeSync, openSync } from "node:fs";
import net from "node:net";
import { systemClock } from "../base/clock.ts";
import { PAGE_BYTES } from "../base/units.ts";
import type { PageEngine } from "../engine/types.ts";
import { parseGuestSpec } from "../guest/config.ts";
import { decodeGuestState, encodeHvmState } from "../guest/hvm-state.ts";
import type { GuestCheck, GuestConfig, GuestSink, GuestSource } from "../guest/types.ts";
import { downtimePolicy } from "../model/policies/downtime.ts";
import { POLICY_DEFAULTS } from "../model/policy.ts";
import { type Connection, connectionOf, receivingConnectionOf } from "../transport/connection.ts";
import { probePump } from "../transport/pump-addon.ts";
import { migrateGuest } from "./migrate.ts";
import { receiveGuest } from "./receive.ts";

/** How often: V8 compiles in stages. `bench/README.md` has what each number brought. */
const REHEARSALS = 10;

/** What the guest of a rehearsal is: as small as one can be. */
const CONFIG = parseGuestSpec("process:memory=1M,vcpus=1,dirty=0,name=rehearsal");
const PFN_COUNT = 256;

const NOWHERE = "/dev/null";

/**
 * Runs all of the code that will run while a guest stands still, at both ends: the first runs of a
 * piece of JavaScript take many times as long as later ones.
 *
 * Takes less than a tenth of a second of CPU time. Never fails: what goes wrong here goes wrong
 * again where it counts, and is told there.
 */
export async function rehearseMigration(engine: PageEngine): Promise<void> {
  for (let run = 0; run < REHEARSALS; run++) {
    await migrateNobody(engine).catch(() => undefined);
  }
}

/**
 * Migrates a guest that is none to nowhere, over a pipe within this process. Does nothing where
 * there is no pump add-on.
 *
 * @throws MigrationError as `migrateGuest` and `receiveGuest`
 */
export async function migrateNobody(engine: PageEngine): Promise<void> {
  const ends = probePump().addon?.link();
  if (ends === undefined || typeof ends === "number") {
    return;
  }
  const ramFd = openSync(NOWHERE, "r+");
  const source = connectionOver(new net.Socket({ fd: ends[0] }), connectionOf);
  // The receiving end takes octets from the descriptor itself, so Node must not read there.
  const unread = new net.Socket({ fd: ends[1], readable: false });
  const target = connectionOver(unread, receivingConnectionOf);
  const { signal } = new AbortController();
  const common = { engine, clock: systemClock, signal };
  try {
    await Promise.all([
      migrateGuest({ ...common, ...LEAVING, connection: source, guest: nobody() }),
      receiveGuest({
        ...common,
        connection: target,
        prepare: async (config) => nowhere(config, ramFd),
        startAs: "running",
      }),
    ]);
  } finally {
    await Promise.all([source.close(), target.close()]);
    closeSync(ramFd);
  }
}

/** What is usual, of all that can be chosen. */
const LEAVING = {
  mode: "live",
  policy: downtimePolicy(POLICY_DEFAULTS),
  onProgress: () => undefined,
  zeroPages: "elide",
  pump: { bytesPerSecondMax: 0, skipsUnchanged: false },
} as const;

function connectionOver(socket: net.Socket, make: typeof connectionOf): Connection {
  return make({ input: socket, output: socket }, NOWHERE, async () => {
    socket.destroy();
  });
}

const doNothing = async () => undefined;

const VCPU = { stores: 0n, reads: 0n, faults: 0n, prng: 0n, cursor: 0n, versions: 0n };

/** What a guest and its copy have in common. */
const BODY = {
  config: CONFIG,
  status: async () => ({ runState: "running", vcpus: [VCPU] }) as const,
  check: (): Promise<GuestCheck> => Promise.reject(new Error("nobody is there")),
  rename: doNothing,
  destroy: doNothing,
  cleanup: doNothing,
};

/** A guest of one dirty page. */
function nobody(): GuestSource {
  const bytes = new Uint8Array(PFN_COUNT * PAGE_BYTES).fill(1);
  const oneDirtyPage = async (bitmap: Uint8Array) => {
    bitmap[0]! |= 1;
    return 1;
  };
  return {
    ...BODY,
    memory: {
      pfnCount: PFN_COUNT,
      windows: [{ firstPfn: 0, bytes }],
      gather: doNothing,
      populated: async (bitmap) => {
        bitmap.fill(0xff);
      },
    },
    logDirty: {
      method: "software",
      enable: doNothing,
      cleanDirty: oneDirtyPage,
      peekDirty: async () => 1,
      disable: doNothing,
    },
    rehearse: doNothing,
    suspend: doNothing,
    pause: doNothing,
    resume: doNothing,
    state: async () => encodeHvmState([VCPU]),
  };
}

/** A place that keeps nothing of a guest. */
function nowhere(config: GuestConfig, ramFd: number): GuestSink {
  return {
    ...BODY,
    memory: { pfnCount: PFN_COUNT, ramFd, scatter: doNothing },
    applyState: async (records) => {
      decodeGuestState(records, config);
    },
    start: doNothing,
  };
}
