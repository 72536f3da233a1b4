// Where a PV guest's structures hold what differs between two machines, for both widths of guest.
// Offsets and sizes are octets. Sources: xen/include/public/xen.h (shared_info, vcpu_info,
// start_info), xen/include/public/arch-x86/xen.h (vcpu_guest_context, arch_shared_info).
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../engine/types.h"

namespace xenferry::xen {

using engine::kPageBytes;
inline constexpr unsigned kPageShift = 12;
inline constexpr std::size_t kTableEntries = 512;

// Octets of a guest's `unsigned long`.
enum class PvWidth : std::uint8_t { k32 = 4, k64 = 8 };

constexpr std::size_t word_bytes(PvWidth width) { return static_cast<std::size_t>(width); }

// Levels of page tables: PAE or long mode.
constexpr unsigned table_levels(PvWidth width) { return width == PvWidth::k64 ? 4 : 3; }

// p2m entries in a frame.
constexpr std::size_t p2m_entries_per_frame(PvWidth width) {
  return kPageBytes / word_bytes(width);
}

// struct vcpu_guest_context. `start_info` is the vCPU's edx or rdx, where the first vCPU of a
// suspended guest holds the frame of its start_info.
struct VcpuLayout {
  std::size_t size;
  std::size_t flags;
  std::size_t start_info;
  std::size_t gdt_frames;
  std::size_t gdt_ents;
  std::size_t ctrlreg;
};
inline constexpr VcpuLayout kVcpu32 = {2800, 512, 524, 2640, 2704, 2716};
inline constexpr VcpuLayout kVcpu64 = {5168, 512, 616, 4832, 4960, 4984};

constexpr const VcpuLayout& vcpu_layout(PvWidth width) {
  return width == PvWidth::k64 ? kVcpu64 : kVcpu32;
}

// VGCF_online: the vCPU runs once its guest does.
inline constexpr std::uint64_t kVcpuOnline = 1u << 5;

// FIRST_RESERVED_GDT_ENTRY: entries above are Xen's.
inline constexpr std::uint64_t kGdtEntriesMax = 14 * 512;
inline constexpr std::size_t kGdtEntriesPerFrame = 512;

// struct shared_info; `arch` is its arch_shared_info with the members below it.
struct SharedInfoLayout {
  std::size_t evtchn_pending_sel;  // In each vcpu_info.
  std::size_t evtchn_pending;
  std::size_t evtchn_mask;
  std::size_t evtchn_bytes;  // Of each of the two.
  std::size_t arch;
  std::size_t arch_bytes;
  std::size_t max_pfn;
  std::size_t frame_list_list;
  std::size_t p2m_cr3;
  std::size_t p2m_vaddr;
  std::size_t p2m_generation;
};
inline constexpr SharedInfoLayout kSharedInfo32 = {4,    2048, 2176, 128,  2316, 28,
                                                   2316, 2320, 2328, 2332, 2336};
inline constexpr SharedInfoLayout kSharedInfo64 = {8,    2048, 2560, 512,  3088, 48,
                                                   3088, 3096, 3112, 3120, 3128};

constexpr const SharedInfoLayout& shared_info_layout(PvWidth width) {
  return width == PvWidth::k64 ? kSharedInfo64 : kSharedInfo32;
}

// XEN_LEGACY_MAX_VCPUS vcpu_infos are at the start of shared_info.
inline constexpr std::size_t kLegacyVcpusMax = 32;
inline constexpr std::size_t kVcpuInfoBytes = 64;

// struct start_info; evtchns and flags have 32 bits at either width.
struct StartInfoLayout {
  std::size_t nr_pages;
  std::size_t shared_info;
  std::size_t flags;
  std::size_t store_mfn;
  std::size_t store_evtchn;
  std::size_t console_mfn;
  std::size_t console_evtchn;
};
inline constexpr StartInfoLayout kStartInfo32 = {32, 36, 40, 44, 48, 52, 56};
inline constexpr StartInfoLayout kStartInfo64 = {32, 40, 48, 56, 64, 72, 80};

constexpr const StartInfoLayout& start_info_layout(PvWidth width) {
  return width == PvWidth::k64 ? kStartInfo64 : kStartInfo32;
}

// Each member follows from the ones before it.
static_assert(kVcpu32.ctrlreg == kVcpu32.gdt_ents + 3 * 4);
static_assert(kVcpu64.ctrlreg == kVcpu64.gdt_ents + 3 * 8);
static_assert(kVcpu32.gdt_ents == kVcpu32.gdt_frames + 16 * 4);
static_assert(kVcpu64.gdt_ents == kVcpu64.gdt_frames + 16 * 8);
static_assert(kSharedInfo32.evtchn_pending == kLegacyVcpusMax * kVcpuInfoBytes);
static_assert(kSharedInfo64.evtchn_pending == kLegacyVcpusMax * kVcpuInfoBytes);
static_assert(kSharedInfo32.evtchn_bytes == 4 * 32 && kSharedInfo64.evtchn_bytes == 8 * 64);
static_assert(kSharedInfo32.arch == kSharedInfo32.evtchn_mask + 128 + 3 * 4);
static_assert(kSharedInfo64.arch == kSharedInfo64.evtchn_mask + 512 + 4 * 4);

// Reads a guest word at `offset`; `bytes` may be memory that a guest writes meanwhile.
inline std::uint64_t load_word(engine::ConstBytes bytes, std::size_t offset, PvWidth width) {
  assert(offset + word_bytes(width) <= bytes.size());
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + offset, word_bytes(width));
  return value;
}

// Writes the low part of `value` as a guest word.
inline void store_word(engine::Bytes bytes, std::size_t offset, PvWidth width,
                       std::uint64_t value) {
  assert(offset + word_bytes(width) <= bytes.size());
  std::memcpy(bytes.data() + offset, &value, word_bytes(width));
}

}  // namespace xenferry::xen
