import { join, text } from "../support/bytes.ts";
import { type Entry, Parts, T } from "./parts.ts";

const PV = 1;
const HVM = 2;

/** Record types by number, as the specs list them. */
const LIBXC_END = 0;
const EXTENDED = 5;
const XSAVE = 6;
const MSRS = 12;
const VERIFY = 13;
const CHECKPOINT = 14;
const STATIC_DATA_END = 16;
const LIBXL_END = 0;
const LIBXC_CONTEXT = 1;
const CHECKPOINT_END = 4;
const CHECKPOINT_STATE = 5;

const HVM_CONFIG = '{"c_info": {"type": "hvm", "name": "golden"}, "b_info": {"max_vcpus": 1}}';
const PV_CONFIG = '{"c_info": {"type": "pv", "name": "golden"}, "b_info": {"max_vcpus": 2}}';

const HVM_PAGES: readonly Entry[] = [
  [0, T.NOTAB, 0x11],
  [1, T.NOTAB],
  [2, T.XTAB],
  [0x9f, T.BROKEN],
  [0xff000, T.XALLOC],
];

/** Frames that a PV guest names, and which registers name them. */
const PV_FRAMES = { startInfo: 20, topTable: 16 } as const;

/** Every page type there is. Entries of page tables are even: not present. */
function allTypes(parts: Parts): readonly Entry[] {
  return [
    [8, T.NOTAB, 1],
    [9, T.L1, 2],
    [10, T.L2, 4],
    [11, T.L3, 6],
    [12, T.L4, 8],
    [13, T.L1_PIN, 10],
    [14, T.L2_PIN, 12],
    [15, T.L3_PIN, 14],
    [16, T.L4_PIN, 16],
    [17, T.BROKEN],
    [18, T.XALLOC],
    [19, T.XTAB],
    [20, T.NOTAB, parts.startInfo(8, { store: 8, console: 18 })],
    [21, T.NOTAB, 3],
  ];
}

/** Small legal streams by name: what each is about is in the name. */
export function goldenStreams(): ReadonlyMap<string, Uint8Array> {
  return new Map([
    ["hvm-v3.xl", hvmV3()],
    ["hvm-v2-converted.xl", hvmV2()],
    ["hvm-verify-captured.xl", hvmVerify()],
    ["hvm-remus.xl", hvmRemus()],
    ["hvm-colo.libxl", hvmColo()],
    ["hvm-optional-records.xl", hvmOptional()],
    ["hvm-checkpoints.libxc", hvmCheckpoints()],
    ["pv64-v3.xl", pv64V3(new Parts())],
    ["pv64-v3-big-endian.xl", pv64V3(new Parts("big"))],
    ["pv32-v2-empty-vcpus.libxl", pv32V2()],
    ["hvm-v2.libxc", hvmV2Bare()],
  ]);
}

function hvmState(parts: Parts): Uint8Array {
  const params = parts.hvmParams([1, 0xfeffc], [17, 0xfefff]);
  return join(parts.tscInfo(), params, parts.hvmContext());
}

function hvmStatic(parts: Parts): Uint8Array {
  return join(parts.cpuidPolicy(), parts.msrPolicy(), parts.signal(STATIC_DATA_END));
}

function hvmV3(): Uint8Array {
  const parts = new Parts();
  return join(
    parts.xlHeader(HVM_CONFIG),
    parts.libxlHeader(),
    parts.signal(LIBXC_CONTEXT),
    parts.libxcHeaders(3, HVM),
    hvmStatic(parts),
    parts.pageData(...HVM_PAGES),
    parts.pageData([1, T.NOTAB, 0x22], [3, T.NOTAB, 0x33]),
    hvmState(parts),
    parts.signal(LIBXC_END),
    parts.xenstoreData(2, "physmap/f0000000/start_addr", "f0000000", "physmap/f0000000/size", "1"),
    parts.emulatorContext(2),
    parts.signal(LIBXL_END),
  );
}

/** As the converter of legacy images writes it: Xen version 0, a bit of libxl's options. */
function hvmV2(): Uint8Array {
  const parts = new Parts();
  return join(
    parts.xlHeader(HVM_CONFIG),
    parts.libxlHeader(2),
    parts.signal(LIBXC_CONTEXT),
    parts.libxcHeaders(2, HVM, [0, 1]),
    parts.pageData(...HVM_PAGES),
    hvmState(parts),
    parts.signal(LIBXC_END),
    parts.emulatorContext(1, 8),
    parts.signal(LIBXL_END),
  );
}

function hvmV2Bare(): Uint8Array {
  const parts = new Parts();
  return join(
    parts.libxcHeaders(2, HVM, [4, 12]),
    parts.pageData(...HVM_PAGES),
    hvmState(parts),
    parts.signal(LIBXC_END),
  );
}

/** The pages after VERIFY are not those before it, which no reader of ours must mistake. */
function hvmVerify(): Uint8Array {
  const parts = new Parts();
  return join(
    parts.xlHeader(HVM_CONFIG),
    parts.libxlHeader(),
    parts.signal(LIBXC_CONTEXT),
    parts.libxcHeaders(3, HVM),
    hvmStatic(parts),
    parts.pageData(...HVM_PAGES),
    parts.signal(VERIFY),
    parts.pageData([0, T.NOTAB, 0x77], [1, T.NOTAB], [0xff000, T.NOTAB, 0x78]),
    hvmState(parts),
    parts.signal(LIBXC_END),
    parts.signal(LIBXL_END),
    text("domain is yours, you are cleared to unpause\0"),
  );
}

function hvmRemus(): Uint8Array {
  const parts = new Parts();
  const libxlPart = join(parts.emulatorContext(2, 13), parts.signal(CHECKPOINT_END));
  return join(
    parts.xlHeader(HVM_CONFIG),
    parts.libxlHeader(),
    parts.signal(LIBXC_CONTEXT),
    parts.libxcHeaders(3, HVM),
    hvmStatic(parts),
    parts.pageData(...HVM_PAGES),
    hvmState(parts),
    parts.signal(CHECKPOINT),
    libxlPart,
    parts.pageData([1, T.NOTAB, 0x44]),
    hvmState(parts),
    parts.signal(CHECKPOINT),
    libxlPart,
    parts.pageData([2, T.NOTAB, 0x55]),
    hvmState(parts),
    parts.signal(LIBXC_END),
    parts.emulatorContext(2, 13),
    parts.signal(LIBXL_END),
  );
}

/** COLO announces a new checkpoint between CHECKPOINT_END and libxc's next record. */
function hvmColo(): Uint8Array {
  const parts = new Parts();
  return join(
    parts.libxlHeader(),
    parts.signal(LIBXC_CONTEXT),
    parts.libxcHeaders(3, HVM),
    hvmStatic(parts),
    parts.pageData(...HVM_PAGES),
    hvmState(parts),
    parts.signal(CHECKPOINT),
    parts.emulatorContext(2, 13),
    parts.signal(CHECKPOINT_END),
    parts.record(CHECKPOINT_STATE, parts.o.u32(0)),
    parts.pageData([1, T.NOTAB, 0x44]),
    hvmState(parts),
    parts.signal(CHECKPOINT),
    parts.signal(CHECKPOINT_END),
    parts.record(CHECKPOINT_STATE, parts.o.u32(0, 0)),
    hvmState(parts),
    parts.signal(LIBXC_END),
    parts.signal(LIBXL_END),
  );
}

function hvmOptional(): Uint8Array {
  const parts = new Parts();
  return join(
    parts.xlHeader(HVM_CONFIG),
    parts.libxlHeader(),
    parts.signal(LIBXC_CONTEXT),
    parts.libxcHeaders(3, HVM),
    parts.record(0x8000_0001, text("not page data")),
    hvmStatic(parts),
    parts.pageData(...HVM_PAGES),
    parts.record(0xffff_ffff),
    hvmState(parts),
    parts.signal(LIBXC_END),
    parts.record(0x8000_0000, text("not the end")),
    parts.signal(LIBXL_END),
  );
}

/** Without libxl around it, libxc goes on by itself after a checkpoint. */
function hvmCheckpoints(): Uint8Array {
  const parts = new Parts();
  return join(
    parts.libxcHeaders(3, HVM),
    hvmStatic(parts),
    parts.pageData(...HVM_PAGES),
    hvmState(parts),
    parts.signal(CHECKPOINT),
    parts.pageData([0, T.NOTAB, 0x66]),
    hvmState(parts),
    parts.signal(LIBXC_END),
  );
}

function pv64V3(parts: Parts): Uint8Array {
  const vcpus = [0, 1].map((vcpu) =>
    join(
      parts.vcpuBasic(8, vcpu, PV_FRAMES),
      parts.vcpu(EXTENDED, vcpu, 64),
      parts.vcpu(XSAVE, vcpu, 16),
      parts.vcpu(MSRS, vcpu, 32),
    ),
  );
  return join(
    parts.xlHeader(PV_CONFIG),
    parts.libxlHeader(),
    parts.signal(LIBXC_CONTEXT),
    parts.libxcHeaders(3, PV),
    parts.pvInfo(8),
    parts.cpuidPolicy(),
    parts.msrPolicy(),
    parts.signal(STATIC_DATA_END),
    parts.p2mFrames(1023, 8, 21),
    parts.pageData(...allTypes(parts)),
    parts.tscInfo(),
    parts.sharedInfo(),
    ...vcpus,
    parts.signal(LIBXC_END),
    parts.signal(LIBXL_END),
  );
}

/** With vCPU records that have no content, as Xen 4.6 to 4.8 could write them. */
function pv32V2(): Uint8Array {
  const parts = new Parts();
  return join(
    parts.libxlHeader(),
    parts.signal(LIBXC_CONTEXT),
    parts.libxcHeaders(2, PV, [4, 7]),
    parts.pvInfo(4),
    parts.p2mFrames(1024, 1, 2),
    parts.pageData(
      [1, T.NOTAB, 0xa1],
      [2, T.NOTAB],
      [3, T.L3_PIN, 0xa2],
      [4, T.NOTAB, parts.startInfo(4, { store: 1, console: 2 })],
      [1024, T.XTAB],
    ),
    parts.tscInfo(),
    parts.sharedInfo(),
    parts.vcpuBasic(4, 0, { startInfo: 4, topTable: 3 }),
    parts.vcpu(EXTENDED, 0, 0),
    parts.vcpu(XSAVE, 0, 0),
    parts.vcpu(MSRS, 0, 0),
    parts.signal(LIBXC_END),
    parts.signal(LIBXL_END),
  );
}
