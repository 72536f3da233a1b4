import { configFromJson, configToJson } from "./config.ts";
import { GuestHandle } from "./handle.ts";
import { decodeGuestState, encodeHvmState } from "./hvm-state.ts";
import type { GuestEntry, Registry } from "./registry.ts";
import type {
  GuestAvailability,
  GuestBackend,
  GuestConfig,
  GuestKind,
  GuestSink,
  GuestSource,
  LogDirty,
  SinkMemory,
  SourceMemory,
} from "./types.ts";

/** How a guest's program starts. */
export interface LaunchOptions {
  /** The guest's registry folder, where the program makes its control socket. */
  readonly folder: string;
  readonly startAs: "running" | "paused" | "incoming";
}

/** What only one kind of embedded guest knows. */
export interface EmbeddedKind {
  readonly kind: GuestKind;
  probe(): GuestAvailability;
  /**
   * Starts the guest's program, which outlives this process, and waits until it answers.
   *
   * @returns its pid.
   * @throws MigrationError GUEST_UNAVAILABLE, GUEST_CONFIG
   */
  launch(config: GuestConfig, options: LaunchOptions): Promise<number>;
  /** Opens what the saving side needs; `close` is called once. */
  openSource(handle: GuestHandle, config: GuestConfig): Promise<OpenSource>;
  /** Opens what the restoring side needs; `close` is called once. */
  openSink(handle: GuestHandle, config: GuestConfig): Promise<OpenSink>;
}

export interface OpenSource {
  readonly memory: SourceMemory;
  readonly logDirty: LogDirty;
  close(): void;
}

export interface OpenSink {
  readonly memory: SinkMemory;
  close(): void;
}

/** A guest whose program was found or made. */
interface Opened<Open> {
  readonly handle: GuestHandle;
  readonly config: GuestConfig;
  readonly open: Open;
}

type Opener<Open> = (handle: GuestHandle, config: GuestConfig) => Promise<Open>;

/** The backend of guests that are programs of ours in the registry. */
export function embeddedBackend(registry: Registry, kind: EmbeddedKind): GuestBackend {
  const make = async <Open>(
    config: GuestConfig,
    startAs: LaunchOptions["startAs"],
    opener: Opener<Open>,
  ): Promise<Opened<Open>> => {
    let entry = await registry.reserve(config.name, kind.kind, configToJson(config));
    let pid: number | undefined;
    try {
      pid = await kind.launch(config, { folder: entry.folder, startAs });
      entry = await registry.adopt(entry, pid);
      return await openGuest(registry, entry, opener);
    } catch (error) {
      endProgram(pid);
      await registry.remove(entry);
      throw error;
    }
  };
  return {
    kind: kind.kind,
    probe: async () => kind.probe(),
    create: async (config, mode) => sourceOf(await make(config, mode, kind.openSource)),
    attach: async (name) =>
      sourceOf(await openGuest(registry, await registry.find(name), kind.openSource)),
    prepare: async (config) => sinkOf(await make(config, "incoming", kind.openSink)),
  };
}

async function openGuest<Open>(
  registry: Registry,
  entry: GuestEntry,
  opener: Opener<Open>,
): Promise<Opened<Open>> {
  const config = { ...configFromJson(entry.configText), name: entry.name };
  const handle = await GuestHandle.open(registry, entry);
  try {
    const open = await opener(handle, config);
    await rehearse(handle, config);
    return { handle, config, open };
  } catch (error) {
    handle.close();
    throw error;
  }
}

function sourceOf({ handle, config, open }: Opened<OpenSource>): GuestSource {
  return {
    ...shared({ handle, config, open }),
    memory: open.memory,
    logDirty: open.logDirty,
    rehearse: () => rehearseOnce(handle, config),
    throttle: async (percent) => {
      await handle.request("throttle", { percent });
    },
    suspend: () => handle.tell("suspend"),
    pause: () => handle.tell("pause"),
    resume: () => handle.start("running"),
    state: async () => encodeHvmState(await handle.vcpuStates()),
  };
}

function sinkOf({ handle, config, open }: Opened<OpenSink>): GuestSink {
  return {
    ...shared({ handle, config, open }),
    memory: open.memory,
    applyState: async (records) => {
      await handle.setVcpuStates(decodeGuestState(records, config));
    },
    start: (mode) => handle.start(mode),
  };
}

/** How often: V8 compiles in stages. */
const REHEARSALS = 10;

/**
 * Runs what will be run once, while the guest stands still: the first runs of a piece of JavaScript
 * take a millisecond that a downtime should not have.
 */
async function rehearse(handle: GuestHandle, config: GuestConfig): Promise<void> {
  for (let run = 0; run < REHEARSALS; run++) {
    await rehearseOnce(handle, config);
  }
}

async function rehearseOnce(handle: GuestHandle, config: GuestConfig): Promise<void> {
  const vcpu = { stores: 0n, reads: 0n, faults: 0n, prng: 0n, cursor: 0n, versions: 0n };
  const states = Array.from({ length: config.vcpus }, () => vcpu);
  await handle.rehearse(decodeGuestState(encodeHvmState(states), config));
}

/** What the saving and the restoring side of a guest have in common. */
function shared({ handle, config, open }: Opened<OpenSource | OpenSink>) {
  return {
    config,
    status: () => handle.status(),
    check: () => handle.check(),
    rename: (name: string) => handle.rename(name),
    destroy: () => handle.destroy(),
    cleanup: async () => {
      open.close();
      handle.close();
    },
  };
}

/** Ends a program that was started here and that nobody has heard of yet. */
function endProgram(pid: number | undefined): void {
  if (pid === undefined) {
    return;
  }
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
      throw error;
    }
  }
}
