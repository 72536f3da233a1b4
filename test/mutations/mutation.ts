import type { Draft } from "./draft.ts";

/** The kinds of images that mutations are made from. */
export type Kind = "pv64" | "pv32" | "pvh" | "hvm";

/** One way of damaging an image, or of making it illegal, by name. */
export interface Mutation {
  readonly name: string;
  /** What kinds of images it is made from. */
  readonly on: readonly Kind[];
  readonly edit: (draft: Draft, kind: Kind) => void;
  /**
   * "severity CODE" of each finding up to the first refusal, whose consequences do not count, if
   * every octet is looked at; besides what the image itself is told of.
   */
  readonly tells: readonly string[];
  /** Findings where only headers and lists of frames are read; as above unless said otherwise. */
  readonly tellsIndexed?: readonly string[];
  /** Why our verdict is not that of Xen's restore, where it is another. */
  readonly differs?: string;
}

/** Every guest; the ones with libxc type HVM; those with a device model; PV guests. */
export const ALL: readonly Kind[] = ["pvh", "pv64"];
export const PVH: readonly Kind[] = ["pvh"];
export const HVM: readonly Kind[] = ["hvm"];
export const PV: readonly Kind[] = ["pv64", "pv32"];
export const PV64: readonly Kind[] = ["pv64"];

/** Images of real Xen, one of each kind, by their names among the shared streams. */
export const REAL_IMAGES: Readonly<Record<Kind, string>> = {
  pv64: "xen-4.17-pv64-save.xl.zst",
  pv32: "xen-4.17-pv32-save.xl.zst",
  pvh: "xen-4.17-pvh-save.xl.zst",
  hvm: "xen-4.17-hvm-save.xl.zst",
};
