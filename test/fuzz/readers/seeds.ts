import { goldenStreams } from "../../golden/build.ts";
import { type Entry, Parts, T } from "../../golden/parts.ts";
import { join } from "../../support/bytes.ts";
import { STREAMS } from "../../support/legacy-samples.ts";

/** Record types and guest types by number, as the specs list them. */
const LIBXC_CONTEXT = 1;
const LIBXL_CHECKPOINT_END = 4;
const VERIFY = 13;
const CHECKPOINT = 14;
const STATIC_DATA_END = 16;
const END = 0;
const PV = 1;
const HVM = 2;

/** Pages without data: what is read of a stream are heads, and inputs are to be small. */
const NO_DATA: readonly Entry[] = [
  [0, T.XALLOC],
  [1, T.XALLOC],
  [2, T.XTAB],
  [3, T.BROKEN],
  [0xff000, T.XALLOC],
];

/** How many times as often as the golden streams, whose pages cost time, small ones are taken. */
const SMALL_SHARE = 6;

/** Streams that a few octets of damage may reach any rule of. */
export function streamSeeds(layer: "xl" | "libxl" | "libxc"): readonly Uint8Array[] {
  const small = [new Parts("little"), new Parts("big")].flatMap((parts) =>
    [hvm(parts, 3), hvm(parts, 2), remus(parts), pv(parts)].map((libxc) => {
      const libxl = join(parts.libxlHeader(), parts.signal(LIBXC_CONTEXT), libxc, emulator(parts));
      return { libxc, libxl, xl: join(parts.xlHeader(CONFIG), libxl) }[layer];
    }),
  );
  const golden = [...goldenStreams()].filter(([name]) => name.endsWith(`.${layer}`));
  return [...Array(SMALL_SHARE).fill(small).flat(), ...golden.map(([, bytes]) => bytes)];
}

const CONFIG = '{"c_info": {"type": "hvm", "name": "seed"}, "b_info": {"max_vcpus": 1}}';

function hvm(parts: Parts, version: 2 | 3): Uint8Array {
  return join(
    parts.libxcHeaders(version, HVM),
    parts.cpuidPolicy(),
    parts.msrPolicy(),
    version === 3 ? parts.signal(STATIC_DATA_END) : new Uint8Array(0),
    parts.pageData(...NO_DATA),
    parts.signal(VERIFY),
    parts.pageData([2, T.XTAB]),
    state(parts),
    parts.signal(END),
  );
}

/** Libxl's own records stand between two checkpoints, as where libxl is around. */
function remus(parts: Parts): Uint8Array {
  return join(
    parts.libxcHeaders(3, HVM),
    parts.signal(STATIC_DATA_END),
    parts.pageData(...NO_DATA),
    state(parts),
    parts.signal(CHECKPOINT),
    parts.signal(LIBXL_CHECKPOINT_END),
    parts.pageData([1, T.XALLOC]),
    state(parts),
    parts.signal(END),
  );
}

function pv(parts: Parts): Uint8Array {
  return join(
    parts.libxcHeaders(3, PV),
    parts.pvInfo(8),
    parts.signal(STATIC_DATA_END),
    parts.p2mFrames(0x3ff, 0, 1),
    parts.pageData(...NO_DATA),
    parts.tscInfo(),
    parts.vcpu(5, 0, 128),
    parts.vcpu(12, 0, 16),
    parts.signal(END),
  );
}

function state(parts: Parts): Uint8Array {
  return join(parts.tscInfo(), parts.hvmParams([1, 0xfeffc], [17, 0xfefff]), parts.hvmContext());
}

function emulator(parts: Parts): Uint8Array {
  const physmap = ["physmap/f0000000/start_addr", "f0000000", "physmap/f0000000/size", "1"];
  return join(parts.xenstoreData(2, ...physmap), parts.emulatorContext(2), parts.signal(END));
}

/** Streams of savers before 4.6, with every kind of part; also one behind the other (Remus). */
export function legacySeeds(): readonly Uint8Array[] {
  const streams = STREAMS.map(([, bytes]) => bytes);
  return [...streams, ...streams.map((bytes) => join(bytes, bytes.subarray(8)))];
}
