import { join, octetsIn, text } from "../support/bytes.ts";
import { type Draft, record, XL, xl } from "./draft.ts";
import { HVM, type Mutation, PVH } from "./mutation.ts";

const { u32 } = octetsIn("little");
const EMULATOR = xl(XL.EMULATOR_CONTEXT);

/** Puts an EMULATOR_XENSTORE_DATA of QEMU before its context; Xen's own images have none. */
function addXenstore(draft: Draft, data: Uint8Array, fill = 0): void {
  const body = join(u32(2, 0), data);
  draft.before(EMULATOR, record("libxl", XL.EMULATOR_XENSTORE_DATA, body, fill));
}

/** Mutations of libxl's records. */
export const LIBXL_MUTATIONS: readonly Mutation[] = [
  {
    name: "emulator-in-pvh",
    on: PVH,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", XL.EMULATOR_CONTEXT, u32(2, 0))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "emulator-xenstore-in-pvh",
    on: PVH,
    edit: (draft) =>
      draft.before(xl(XL.END), record("libxl", XL.EMULATOR_XENSTORE_DATA, u32(2, 0))),
    tells: ["refused RECORD_GUEST_TYPE"],
  },
  {
    name: "emulator-short",
    on: HVM,
    edit: (draft) => draft.write(EMULATOR, u32(2)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "emulator-xenstore-short",
    on: HVM,
    edit: (draft) => draft.before(EMULATOR, record("libxl", XL.EMULATOR_XENSTORE_DATA, u32(2))),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "emulator-unknown",
    on: HVM,
    edit: (draft) => draft.patch(EMULATOR, 0, u32(9)),
    tells: ["violated RECORD_VALUE"],
  },
  {
    name: "emulator-empty",
    on: HVM,
    edit: (draft) => draft.write(EMULATOR, u32(2, 0)),
    tells: ["refused RECORD_EMPTY"],
  },
  {
    name: "emulator-without-magic",
    on: HVM,
    edit: (draft) => draft.patch(EMULATOR, 8, text("XXXX")),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "no-emulator",
    on: HVM,
    edit: (draft) => draft.drop(EMULATOR),
    tells: ["refused ORDER_MISSING"],
  },
  {
    name: "emulator-xenstore",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("physmap/1/name\0vga\0")),
    tells: [],
  },
  {
    name: "emulator-xenstore-padding-not-zero",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("physmap/1/name\0vga\0"), 7),
    tells: ["violated RECORD_PADDING"],
  },
  {
    name: "emulator-xenstore-empty",
    on: HVM,
    edit: (draft) => addXenstore(draft, new Uint8Array(0)),
    tells: ["suspicious RECORD_EMPTY"],
  },
  {
    name: "emulator-twice",
    on: HVM,
    edit: (draft) => draft.after(EMULATOR, draft.copy(EMULATOR)),
    tells: ["suspicious ORDER_REPEATED"],
  },
  {
    name: "emulator-before-libxc",
    on: HVM,
    edit: (draft) => draft.move(EMULATOR, { before: xl(XL.LIBXC_CONTEXT) }),
    tells: [],
  },
  {
    name: "emulator-xenstore-without-nul",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("physmap/1/name\0vga")),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "emulator-xenstore-odd",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("physmap/1/name\0vga\0physmap\0")),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "emulator-xenstore-key",
    on: HVM,
    edit: (draft) => addXenstore(draft, text("phys map!\0vga\0")),
    tells: ["violated RECORD_VALUE"],
  },
  {
    name: "no-libxc-context",
    on: PVH,
    edit: (draft) => {
      const end = draft.copy(xl(XL.END));
      draft.cut(xl(XL.LIBXC_CONTEXT), 0);
      draft.append(end.bytes);
    },
    tells: ["refused ORDER_MISSING"],
  },
  {
    name: "libxc-context-twice",
    on: PVH,
    edit: (draft) => draft.before(xl(XL.END), record("libxl", XL.LIBXC_CONTEXT)),
    tells: ["refused ORDER_REPEATED"],
  },
];
