/**
 * The matrix as data: what is tried (rows) with which guests (columns). A cell is one of each.
 *
 * Every kind of row has one function in `dom0/kinds.ts` that carries it out.
 */

/** Who does the libxc half: the helper of this checkout, or the one Xen came with. */
export type Helper = "ours" | "stock";

/** Where a guest is moved to, always this machine: `lab` is its name, reached through ssh. */
export type Destination = "localhost" | "lab";

export type Fault = "sigterm" | "full-disk" | "broken-pipe" | "receiver-killed";

/** What a cell does, and who does it. */
export type Trial =
  | { readonly kind: "save"; readonly by: Helper; readonly restoreBy: Helper }
  | { readonly kind: "again"; readonly by: Helper }
  | { readonly kind: "live"; readonly by: Helper; readonly receiveBy: Helper }
  | { readonly kind: "remus"; readonly by: Helper; readonly receiveBy: Helper }
  | { readonly kind: "zero"; readonly by: Helper; readonly restoreBy: Helper }
  | { readonly kind: "equal"; readonly by: Helper }
  | { readonly kind: "fault"; readonly by: Helper; readonly fault: Fault }
  | { readonly kind: "time-save"; readonly by: Helper }
  | { readonly kind: "time-live"; readonly by: Helper }
  | { readonly kind: "legacy"; readonly convertBy: Helper; readonly restoreBy: Helper }
  | { readonly kind: "program-save" }
  | { readonly kind: "program-migrate"; readonly to: Destination };

export interface Row {
  readonly name: string;
  readonly about: string;
  readonly trial: Trial;
  /** What our helper is told; without a word it does as it is made to. */
  readonly environment?: Readonly<Record<string, string>>;
  /** The trial asks the hypervisor for log-dirty mode. */
  readonly isLive?: boolean;
  /** Kinds of guest there is no such thing for. */
  readonly without?: readonly string[];
}

export interface Column {
  readonly name: string;
  readonly about: string;
  /** Settings of the guest for xl, besides its name and command line. */
  readonly settings: Readonly<Record<string, string | number>>;
  /** Which kernel it boots: none is one of Linux. */
  readonly kernel: "elf" | "bzImage" | "none";
  /** The command line for ordinary trials, and that of a guest under memory load. */
  readonly commandLine: string;
  readonly loadedCommandLine: string;
  /** Trials which Debian's hypervisor, without shadow paging and 32-bit PV, cannot do. */
  readonly shadowFor: "none" | "live" | "all";
}

export type Hypervisor = "debian" | "shadow";

export interface Cell {
  /** As filters and folders name it: `save-ours-stock/pvh`. */
  readonly name: string;
  readonly row: Row;
  readonly column: Column;
  readonly hypervisor: Hypervisor;
  readonly limitS: number;
}

/** What became of a cell. */
export interface CellResult {
  readonly cell: string;
  readonly outcome: "passed" | "failed" | "not run";
  /** Of a failure, or why it was not run. */
  readonly reason?: string;
  /** What was measured, units last. */
  readonly facts: Readonly<Record<string, number | string>>;
  readonly tookS: number;
  /** Where the logs are, if they were kept. */
  readonly logs?: string;
}

/** What runs in the lab: `versions.json` in its job folder. */
export interface Versions {
  readonly xen: string;
  readonly dom0: string;
  readonly deviceModel: string;
}

/** Programs of ours that stand in for Xen's. */
export interface Programs {
  readonly helper: string;
  /** Of legacy streams. */
  readonly converter: string;
}

/** What a boot is given to do: `plan.json` in its job folder. */
export interface Plan {
  readonly cells: readonly Cell[];
  readonly programs: Programs;
  readonly limitS: number;
  /** Keeps the logs of cells that pass, too. */
  readonly keepsLogs: boolean;
}

const COUNTING = "console=hvc0 quiet pat=512 ws=64 period=100 seed=";
const LOADED = "console=hvc0 quiet pat=512 ws=256 period=40 seed=";
const DEVICE_MODEL = {
  device_model_version: "qemu-xen",
  device_model_override: "/usr/libexec/xen-qemu-system-i386",
  vga: "none",
  vnc: 0,
  sdl: 0,
  nographic: 1,
  usb: 0,
  xen_platform_pci: 1,
  serial: "null",
} as const;

export const COLUMNS: readonly Column[] = [
  {
    name: "pv64",
    about: "PV 64",
    settings: { type: "pv", memory: 32 },
    kernel: "elf",
    commandLine: `${COUNTING}1`,
    loadedCommandLine: `${LOADED}1`,
    shadowFor: "live",
  },
  {
    name: "pv32",
    about: "PV 32",
    settings: { type: "pv", memory: 8 },
    kernel: "none",
    commandLine: "s=4",
    loadedCommandLine: "s=5",
    shadowFor: "all",
  },
  {
    name: "pvh",
    about: "PVH",
    settings: { type: "pvh", memory: 32 },
    kernel: "elf",
    commandLine: `${COUNTING}2`,
    loadedCommandLine: `${LOADED}2`,
    shadowFor: "none",
  },
  {
    name: "hvm",
    about: "HVM (QEMU)",
    settings: { type: "hvm", memory: 48, ...DEVICE_MODEL },
    kernel: "bzImage",
    commandLine: `${COUNTING}3`,
    loadedCommandLine: `${LOADED}3`,
    shadowFor: "none",
  },
];

/** As Xen does it: a page of zeroes is a page like any other. */
const EVERY_PAGE = { XENFERRY_ZERO_PAGES: "send" } as const;
/** PVH came with Xen 4.10, streams as now with 4.6. */
const NEWER_THAN_LEGACY = ["pvh"];

export const ROWS: readonly Row[] = [
  {
    name: "save-ours-stock",
    about: "xl save by ours, xl restore by stock",
    trial: { kind: "save", by: "ours", restoreBy: "stock" },
    environment: EVERY_PAGE,
  },
  {
    name: "save-stock-ours",
    about: "xl save by stock, xl restore by ours",
    trial: { kind: "save", by: "stock", restoreBy: "ours" },
  },
  {
    name: "again-ours",
    about: "xl save -c and xl restore by ours, saved again: the same memory",
    trial: { kind: "again", by: "ours" },
  },
  {
    name: "live-ours-ours",
    about: "xl migrate under memory load, ours to ours",
    trial: { kind: "live", by: "ours", receiveBy: "ours" },
    isLive: true,
  },
  {
    name: "live-ours-stock",
    about: "xl migrate under memory load, ours to stock",
    trial: { kind: "live", by: "ours", receiveBy: "stock" },
    isLive: true,
  },
  {
    name: "live-stock-ours",
    about: "xl migrate under memory load, stock to ours",
    trial: { kind: "live", by: "stock", receiveBy: "ours" },
    isLive: true,
  },
  {
    name: "remus-ours-stock",
    about: "xl remus, ours to stock: the copy goes on when the guest is destroyed",
    trial: { kind: "remus", by: "ours", receiveBy: "stock" },
    isLive: true,
  },
  {
    name: "remus-stock-ours",
    about: "xl remus, stock to ours: the copy goes on when the guest is destroyed",
    trial: { kind: "remus", by: "stock", receiveBy: "ours" },
    isLive: true,
  },
  {
    name: "zero-ours-stock",
    about: "zero pages elided by ours, xl restore by stock",
    trial: { kind: "zero", by: "ours", restoreBy: "stock" },
    environment: { XENFERRY_ZERO_PAGES: "elide" },
  },
  {
    name: "equal-ours",
    about: "one suspended guest: the stream of ours equals that of stock",
    trial: { kind: "equal", by: "ours" },
    environment: EVERY_PAGE,
  },
  {
    name: "fault-sigterm",
    about: "SIGTERM to the helper of ours midway: the guest runs on",
    trial: { kind: "fault", by: "ours", fault: "sigterm" },
  },
  {
    name: "fault-full-disk",
    about: "the disk is full midway: the guest runs on",
    trial: { kind: "fault", by: "ours", fault: "full-disk" },
    environment: EVERY_PAGE,
  },
  {
    name: "fault-broken-pipe",
    about: "the pipe breaks midway: the guest runs on",
    trial: { kind: "fault", by: "ours", fault: "broken-pipe" },
  },
  {
    name: "fault-receiver-killed",
    about: "the receiver is killed midway: the guest runs on",
    trial: { kind: "fault", by: "ours", fault: "receiver-killed" },
    isLive: true,
  },
  {
    name: "legacy-ours-stock",
    about: "a legacy image converted by ours, xl restore by stock",
    trial: { kind: "legacy", convertBy: "ours", restoreBy: "stock" },
    without: NEWER_THAN_LEGACY,
  },
  {
    name: "legacy-ours-ours",
    about: "a legacy image converted by ours, xl restore by ours",
    trial: { kind: "legacy", convertBy: "ours", restoreBy: "ours" },
    without: NEWER_THAN_LEGACY,
  },
  {
    name: "xenferry-save",
    about: "xenferry save, xenferry restore",
    trial: { kind: "program-save" },
  },
  {
    name: "xenferry-localhost",
    about: "xenferry migrate to localhost under memory load",
    trial: { kind: "program-migrate", to: "localhost" },
    isLive: true,
  },
  {
    name: "xenferry-ssh",
    about: "xenferry migrate through ssh under memory load",
    trial: { kind: "program-migrate", to: "lab" },
    isLive: true,
  },
  {
    name: "time-save",
    about: "time and CPU of xl save, ours / stock",
    trial: { kind: "time-save", by: "ours" },
  },
  {
    name: "time-live",
    about: "time and CPU of xl migrate under memory load and Xen's policy, ours / stock",
    trial: { kind: "time-live", by: "ours" },
    environment: { XENFERRY_POLICY: "xen" },
    isLive: true,
  },
];

const CELL_LIMIT_S = 300;
/** Trials of what Xen's own programs do not do. */
const OF_OURS_ALONE: readonly Trial["kind"][] = ["zero", "program-save", "program-migrate"];

/** All cells, or with `isControl` those in which the stock helper stands in for ours. */
export function cellsOf({ isControl }: { readonly isControl: boolean }): readonly Cell[] {
  const rows = isControl ? controlRows() : ROWS;
  return rows.flatMap((row) =>
    COLUMNS.filter(({ name }) => !row.without?.includes(name)).map((column) => ({
      name: `${row.name}/${column.name}`,
      row,
      column,
      hypervisor: needsShadow(row, column) ? ("shadow" as const) : ("debian" as const),
      limitS: CELL_LIMIT_S,
    })),
  );
}

/** Rows that become the same by the exchange are kept once. */
function controlRows(): readonly Row[] {
  const byTrial = new Map<string, Row>();
  for (const row of ROWS.filter(({ trial }) => !OF_OURS_ALONE.includes(trial.kind))) {
    const control = JSON.parse(JSON.stringify(row).replaceAll("ours", "stock")) as Row;
    const key = JSON.stringify(control.trial);
    if (!byTrial.has(key)) {
      byTrial.set(key, control);
    }
  }
  return [...byTrial.values()];
}

function needsShadow(row: Row, column: Column): boolean {
  return column.shadowFor === "all" || (column.shadowFor === "live" && row.isLive === true);
}
