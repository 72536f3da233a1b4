#include "pv_tables.h"

#include "pv_failure.h"

namespace xenferry::xen {

namespace {

constexpr std::uint64_t kPresent = 0x001;
constexpr std::uint64_t kLargePage = 0x080;
constexpr std::uint64_t kFrameMask = 0x000f'ffff'ffff'f000;  // Bits 12 to 51.

constexpr std::uint64_t frame_of_entry(std::uint64_t entry) {
  return (entry & kFrameMask) >> kPageShift;
}

constexpr std::uint64_t with_frame(std::uint64_t entry, std::uint64_t frame) {
  return (entry & ~kFrameMask) | (frame << kPageShift);
}

// Entries of a table that are Xen's: from `first` up to and without `end`.
struct XenEntries {
  std::size_t first = 0;
  std::size_t end = 0;

  bool contain(std::size_t index) const noexcept { return index >= first && index < end; }
};

// Virtual addresses 0xffff800000000000 to 0xffff87ffffffffff, half a TiB an entry.
// Source: HYPERVISOR_VIRT_START and _END in arch-x86/xen-x86_64.h.
constexpr XenEntries kXenInLevel4 = {256, 272};

// A 32-bit guest has four third-level entries.
constexpr XenEntries kXenInPaeLevel3 = {4, kTableEntries};

// Virtual addresses from 0xf5800000, 2 MiB an entry, of the second-level table that ends the
// address space. Source: HYPERVISOR_VIRT_START_PAE in arch-x86/xen-x86_32.h.
constexpr XenEntries kXenInPaeLevel2 = {(0xf5800000u >> 21) & 511, kTableEntries};

XenEntries entries_of_xen(ConstTable table, unsigned level, const TableContext& context) noexcept {
  if (context.frames.width() == PvWidth::k64) return level == 4 ? kXenInLevel4 : XenEntries{};
  if (level == 3) return kXenInPaeLevel3;
  const bool maps_m2p =
      level == 2 && frame_of_entry(table[kXenInPaeLevel2.first]) == context.compat_m2p_mfn;
  return maps_m2p ? kXenInPaeLevel2 : XenEntries{};
}

}  // namespace

TableOutcome normalise_table(ConstTable from, Table to, unsigned level,
                             const TableContext& context) noexcept {
  if (level == 4 && context.frames.width() == PvWidth::k32) return {TableFault::kLevel, 0, 0};
  const XenEntries xen = entries_of_xen(from, level, context);
  for (std::size_t index = 0; index < kTableEntries; ++index) {
    const std::uint64_t entry = static_cast<const volatile std::uint64_t&>(from[index]);
    if (xen.contain(index)) {
      to[index] = 0;
    } else if ((entry & kPresent) == 0) {
      to[index] = entry;
    } else {
      if (level > 1 && (entry & kLargePage) != 0) return {TableFault::kSuperpage, index, entry};
      const std::optional<Pfn> pfn = context.frames.pfn_of(frame_of_entry(entry));
      if (!pfn) return {TableFault::kForeignFrame, index, entry};
      to[index] = with_frame(entry, *pfn);
    }
  }
  return {};
}

void append_missing_pfns(ConstTable table, const P2mView& p2m, std::vector<Pfn>& pfns) {
  const auto first = static_cast<std::ptrdiff_t>(pfns.size());
  for (const std::uint64_t entry : table) {
    if ((entry & kPresent) == 0) continue;
    const Pfn pfn = frame_of_entry(entry);
    if (pfn >= p2m.size()) throw stream_fault("tableEntry", entry);
    if (p2m.mfn_of(pfn) == kNoMfn) pfns.push_back(pfn);
  }
  std::sort(pfns.begin() + first, pfns.end());
  pfns.erase(std::unique(pfns.begin() + first, pfns.end()), pfns.end());
}

TableOutcome localise_table(Table table, const PvFrames& frames) noexcept {
  for (std::size_t index = 0; index < kTableEntries; ++index) {
    const std::uint64_t entry = table[index];
    if ((entry & kPresent) == 0) continue;
    const Mfn mfn = frames.mfn_of(frame_of_entry(entry));
    if (!frames.pfn_of(mfn)) return {TableFault::kForeignFrame, index, entry};
    table[index] = with_frame(entry, mfn);
  }
  return {};
}

}  // namespace xenferry::xen
