#pragma once

#include <string>

#include "abi.h"

namespace xenferry::xen {

// Functions of the libraries; null where this version has none of that name.
struct Functions {
  using Xc = ControlHandle;

  Xc* (*interface_open)(void* logger, void* builder_logger, unsigned flags);
  int (*get_info_list)(Xc*, std::uint32_t first, unsigned max, void* infos);
  int (*nr_gpfns)(Xc*, std::uint32_t domid, FrameWord* frame_count);
  int (*version)(Xc*, int command, void* argument);
  // Until 4.15, and since: there was one function for everything, then log-dirty got its own.
  int (*shadow_control_4_14)(Xc*, std::uint32_t domid, unsigned op, HypercallBuffer* bitmap,
                             unsigned long pages, unsigned long* mb, std::uint32_t mode,
                             LogDirtyStatistics*);
  int (*shadow_control_4_16)(Xc*, std::uint32_t domid, unsigned op, unsigned* mb, unsigned mode);
  long long (*logdirty_control)(Xc*, std::uint32_t domid, unsigned op, HypercallBuffer* bitmap,
                                unsigned long pages, unsigned mode, LogDirtyStatistics*);
  void* (*buffer_alloc_pages)(Xc*, HypercallBuffer*, int page_count);
  void (*buffer_free_pages)(Xc*, HypercallBuffer*, int page_count);
  int (*get_pfn_types)(Xc*, std::uint32_t domid, unsigned count, FrameWord* words);
  int (*populate)(Xc*, std::uint32_t domid, unsigned long count, unsigned order, unsigned flags,
                  FrameWord* frames);
  int (*clear_pages)(Xc*, std::uint32_t domid, unsigned long frame, int count);
  int (*get_tsc_info)(Xc*, std::uint32_t domid, std::uint32_t* mode, std::uint64_t* nsec,
                      std::uint32_t* khz, std::uint32_t* incarnation);
  int (*set_tsc_info)(Xc*, std::uint32_t domid, std::uint32_t mode, std::uint64_t nsec,
                      std::uint32_t khz, std::uint32_t incarnation);
  int (*get_hvm_context)(Xc*, std::uint32_t domid, std::uint8_t* out, std::uint32_t size);
  int (*set_hvm_context)(Xc*, std::uint32_t domid, const std::uint8_t* context, std::uint32_t size);
  int (*get_hvm_param)(Xc*, std::uint32_t domid, std::uint32_t index, std::uint64_t* value);
  int (*set_hvm_param)(Xc*, std::uint32_t domid, std::uint32_t index, std::uint64_t value);
  int (*seed_grants)(Xc*, std::uint32_t domid, bool is_hvm, FrameWord console_gfn,
                     FrameWord store_gfn, std::uint32_t console_domid, std::uint32_t store_domid);
  // What only PV guests need.
  int (*guest_width)(Xc*, std::uint32_t domid, unsigned* width_bytes);
  int (*maximum_ram_page)(Xc*, FrameWord* mfn);
  int (*machphys_mfn_list)(Xc*, unsigned long count, FrameWord* mfns);
  long (*memory_op)(Xc*, unsigned command, void* argument, std::size_t size);
  int (*mmuext_op)(Xc*, void* operations, unsigned count, std::uint32_t domid);
  int (*domctl)(Xc*, Domctl*);
  int (*vcpu_get_info)(Xc*, std::uint32_t domid, std::uint32_t vcpu_id, VcpuInfo*);
  int (*vcpu_get_context)(Xc*, std::uint32_t domid, std::uint32_t vcpu_id, void* context);
  int (*vcpu_set_context)(Xc*, std::uint32_t domid, std::uint32_t vcpu_id, void* context);

  // Since 4.21 a console page is more than zeros.
  int (*init_console)(Xc*, std::uint32_t domid, FrameWord console_gfn);

  // A policy was read at once until 4.15; since then through an object.
  int (*policy_size)(Xc*, std::uint32_t* leaf_count, std::uint32_t* msr_count);
  int (*get_policy_4_14)(Xc*, std::uint32_t domid, std::uint32_t* leaf_count, void* leaves,
                         std::uint32_t* msr_count, void* msrs);
  CpuPolicy* (*policy_init)();
  void (*policy_destroy)(CpuPolicy*);
  int (*policy_get_domain)(Xc*, std::uint32_t domid, CpuPolicy*);
  int (*policy_serialise)(Xc*, const CpuPolicy*, void* leaves, std::uint32_t* leaf_count,
                          void* msrs, std::uint32_t* msr_count);
  int (*set_policy)(Xc*, std::uint32_t domid, std::uint32_t leaf_count, const void* leaves,
                    std::uint32_t msr_count, const void* msrs, std::uint32_t* bad_leaf,
                    std::uint32_t* bad_subleaf, std::uint32_t* bad_msr);

  ForeignHandle* (*foreign_open)(void* logger, unsigned flags);
  void* (*foreign_map)(ForeignHandle*, std::uint32_t domid, int protection, std::size_t count,
                       const FrameWord* frames, int* errors);
  int (*foreign_unmap)(ForeignHandle*, void* address, std::size_t count);

  // All null where there is no libxenstore.
  StoreHandle* (*store_open)(unsigned long flags);
  void (*store_close)(StoreHandle*);
  void* (*store_read)(StoreHandle*, std::uint32_t transaction, const char* path, unsigned* length);
};

// Xen's libraries on this machine, open until the process ends.
struct Libraries {
  Functions functions{};
  // Of Xen 4.
  int minor = 0;
};

inline constexpr int kMinorMin = 14;
inline constexpr int kMinorMax = 22;

// Opens the libraries that fit the running hypervisor, else the newest that are known. `folder` is
// where they lie, empty where the dynamic linker knows.
// Throws std::runtime_error with the reason, for a person.
Libraries open_libraries(const std::string& folder);

}  // namespace xenferry::xen
