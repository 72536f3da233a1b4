import { join, octetsIn } from "../support/bytes.ts";
import { XC, xc } from "./draft.ts";
import { ALL, type Mutation, PVH } from "./mutation.ts";

const { u32, u64 } = octetsIn("little");

/** Mutations of policies and of the time stamp counter. */
export const STATIC_DATA_MUTATIONS: readonly Mutation[] = [
  {
    name: "no-cpuid-policy",
    on: ALL,
    edit: (draft) => draft.drop(xc(XC.CPUID_POLICY)),
    tells: [],
  },
  {
    name: "no-msr-policy",
    on: PVH,
    edit: (draft) => draft.drop(xc(XC.MSR_POLICY)),
    tells: [],
  },
  {
    name: "cpuid-policy-empty",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.CPUID_POLICY), new Uint8Array(0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "cpuid-policy-length",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.CPUID_POLICY), draft.read(xc(XC.CPUID_POLICY)).subarray(1)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "cpuid-policy-unknown-leaf",
    on: PVH,
    edit: (draft) => draft.patch(xc(XC.CPUID_POLICY), 0, u32(0x1234_5678)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "msr-policy-empty",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.MSR_POLICY), new Uint8Array(0)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "msr-policy-length",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.MSR_POLICY), draft.read(xc(XC.MSR_POLICY)).subarray(1)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "msr-policy-flags",
    on: ALL,
    edit: (draft) => draft.patch(xc(XC.MSR_POLICY), 4, u32(1)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "msr-policy-unknown-msr",
    on: PVH,
    edit: (draft) => draft.patch(xc(XC.MSR_POLICY), 0, u32(0x1234)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "policy-after-static-data-end",
    on: PVH,
    edit: (draft) => draft.move(xc(XC.CPUID_POLICY), { after: xc(XC.STATIC_DATA_END) }),
    tells: ["violated ORDER_STATIC_DATA_LATE"],
  },
  {
    name: "policy-twice",
    on: PVH,
    edit: (draft) => draft.after(xc(XC.CPUID_POLICY), draft.copy(xc(XC.CPUID_POLICY))),
    tells: ["suspicious ORDER_REPEATED"],
  },
  {
    name: "no-tsc-info",
    on: ALL,
    edit: (draft) => draft.drop(xc(XC.TSC_INFO)),
    tells: ["suspicious ORDER_MISSING"],
  },
  {
    name: "tsc-info-short",
    on: ALL,
    edit: (draft) => draft.write(xc(XC.TSC_INFO), draft.read(xc(XC.TSC_INFO)).subarray(0, 20)),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "tsc-info-long",
    on: PVH,
    edit: (draft) => draft.write(xc(XC.TSC_INFO), join(draft.read(xc(XC.TSC_INFO)), u64(0))),
    tells: ["refused RECORD_LENGTH"],
  },
  {
    name: "tsc-info-reserved-field",
    on: PVH,
    edit: (draft) => draft.patch(xc(XC.TSC_INFO), 20, u32(1)),
    tells: ["violated RECORD_RESERVED"],
  },
  {
    name: "tsc-info-mode",
    on: ALL,
    edit: (draft) => draft.patch(xc(XC.TSC_INFO), 0, u32(7)),
    tells: ["refused RECORD_VALUE"],
  },
  {
    name: "tsc-info-twice",
    on: PVH,
    edit: (draft) => draft.after(xc(XC.TSC_INFO), draft.copy(xc(XC.TSC_INFO))),
    tells: ["suspicious ORDER_REPEATED"],
  },
];
