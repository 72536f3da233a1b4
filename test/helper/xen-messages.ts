/** Where each release of Xen has the table of messages: `file` in its branch `stable-…`. */
export const XEN_GENERATORS = [
  { branch: "4.14", file: "tools/libxl/libxl_save_msgs_gen.pl" },
  ...["4.15", "4.16", "4.17", "4.18", "4.19", "4.20", "4.21", "4.22"].map((branch) => ({
    branch,
    file: "tools/libs/light/libxl_save_msgs_gen.pl",
  })),
] as const;

/**
 * The messages of libxl, the same in all of {@link XEN_GENERATORS}: flags, name, argument types.
 *
 * Flags: s and r save and restore, c a callback, x one that may be absent, W and A answered at once
 * or later.
 */
export const XEN_MESSAGES: readonly (readonly [flags: string, name: string, ...types: string[]])[] =
  [
    ["sr", "log", "uint32_t", "uint32_t", "STRING", "STRING"],
    ["sr", "progress", "STRING", "STRING", "unsigned long", "unsigned long"],
    ["srcxA", "suspend"],
    ["srcxA", "postcopy"],
    ["srcxA", "checkpoint"],
    ["srcxA", "wait_checkpoint"],
    ["scxA", "switch_qemu_logdirty", "uint32_t", "unsigned"],
    ["rcxW", "static_data_done", "unsigned"],
    ["rcx", "restore_results", "xen_pfn_t", "xen_pfn_t"],
    ["srW", "complete", "int", "int"],
  ];
