#pragma once

#include <cstddef>
#include <cstdint>

// What this add-on uses of Xen's libraries, declared here so that it builds without their headers.
// The same from 4.14 to 4.22 unless said; libraries.cc chooses by the version found.
// Source: tools/include/xenctrl.h, xenguest.h, xenforeignmemory.h, xenstore.h; public/domctl.h.
namespace xenferry::xen {

// xc_interface, xenforeignmemory_handle, xc_cpu_policy_t and xs_handle, of which only the
// libraries know what is inside.
struct ControlHandle;
struct ForeignHandle;
struct CpuPolicy;
struct StoreHandle;

// xen_pfn_t of x86-64.
using FrameWord = unsigned long;
static_assert(sizeof(FrameWord) == 8);

// xc_hypercall_buffer: memory that the hypervisor may write to.
struct HypercallBuffer {
  void* memory;
  HypercallBuffer* shadowed;
  int direction;
  void* bounced;
  std::size_t size;
};
static_assert(sizeof(HypercallBuffer) == 40);

// Marks a buffer that is not copied to and from another. Source: xenctrl.h,
// HYPERCALL_BUFFER_INIT_NO_BOUNCE.
inline void* const kNotBounced = reinterpret_cast<void*>(-1);

// Start of xc_domaininfo_t, which is longer and grew: the libraries are given more room.
struct DomainInfo {
  std::uint16_t domid;
  std::uint16_t padding;
  std::uint32_t flags;
  std::uint64_t total_pages;
  std::uint64_t max_pages;
  std::uint64_t outstanding_pages;
  std::uint64_t shared_pages;
  std::uint64_t paged_pages;
  std::uint64_t shared_info_frame;
  std::uint64_t cpu_time_ns;
  std::uint32_t online_vcpus;
  std::uint32_t vcpu_id_max;
};
static_assert(sizeof(DomainInfo) == 72);

// Start of xc_vcpuinfo_t.
struct VcpuInfo {
  std::uint32_t vcpu_id;
  std::uint8_t is_online;
  std::uint8_t is_blocked;
  std::uint8_t is_running;
  std::uint8_t padding;
  std::uint64_t cpu_time_ns;
  std::uint64_t cpu;
};
static_assert(sizeof(VcpuInfo) == 24);

// xen_domctl, of which xc_domctl fills in the version; with room for what is added to its union.
struct Domctl {
  std::uint32_t command;
  std::uint32_t interface_version;
  std::uint16_t domid;
  std::uint16_t padding[3];
  std::uint8_t operation[240];
};
static_assert(sizeof(Domctl) == 256);

// The domain whose memory is the hypervisor's own. Source: public/xen.h, DOMID_XEN.
inline constexpr std::uint32_t kDomidXen = 0x7ff2;

inline constexpr std::size_t kDomainInfoBytesMax = 1024;

// Bits of DomainInfo::flags.
inline constexpr std::uint32_t kDomainIsHvm = 1u << 1;
inline constexpr std::uint32_t kDomainIsShutdown = 1u << 2;
inline constexpr unsigned kShutdownReasonShift = 16;
inline constexpr std::uint32_t kShutdownReasonMask = 0xff;

// xc_shadow_op_stats_t
struct LogDirtyStatistics {
  std::uint32_t faults;
  std::uint32_t dirty_pages;
};
static_assert(sizeof(LogDirtyStatistics) == 8);

// XEN_DOMCTL_SHADOW_OP_*
enum class LogDirtyOp : unsigned { kOff = 0, kEnable = 2, kClean = 11, kPeek = 12 };

// XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL: the guest stands still, nothing need be armed again.
inline constexpr std::uint32_t kLogDirtyFinal = 1;

// xen_cpuid_leaf_t and xen_msr_entry_t, which pass through here as they are.
inline constexpr std::size_t kCpuidLeafBytes = 24;
inline constexpr std::size_t kMsrEntryBytes = 16;

// Frames whose types one hypercall may ask for. Source: arch/x86/domctl.c, getpageframeinfo3.
inline constexpr std::size_t kTypedFramesMax = 1024;
// Bits of a frame word that are its type after that call; the stream's page type is above the
// shift.
inline constexpr std::uint64_t kPageTypeMask = 0xf000'0000;
inline constexpr unsigned kPageTypeShift = 28;

inline constexpr unsigned kSuperpageOrder = 9;

}  // namespace xenferry::xen
