// Page tables of PV guests hold machine frames; in a stream they hold pseudophysical ones.
#pragma once

#include <span>
#include <vector>

#include "pv_frames.h"

namespace xenferry::xen {

using ConstTable = std::span<const std::uint64_t, kTableEntries>;
using Table = std::span<std::uint64_t, kTableEntries>;

// What to make of a page; 1 to 4. A page type of PAGE_DATA says it in its low three bits.
inline constexpr unsigned kTableLevelMax = 4;

// The level of a page of `page_type`; 0 for pages that are no tables.
// Source: XEN_DOMCTL_PFINFO_* in xen/include/public/domctl.h, shifted down to four bits.
constexpr unsigned table_level(std::uint8_t page_type) {
  const bool is_table = (page_type >= 0x1 && page_type <= 0x4) ||  // L1TAB to L4TAB
                        (page_type >= 0x9 && page_type <= 0xc);    // The same, pinned
  return is_table ? page_type & 0x7 : 0;
}

enum class TableFault : std::uint8_t {
  kNone,
  // An entry's frame is not the guest's: a page in the middle of a change, or a foreign mapping.
  // Worth another try while the guest runs, and its end once it is suspended.
  kForeignFrame,
  // An entry maps more than a page at once, which no stream can say.
  kSuperpage,
  // A 32-bit guest has no fourth level.
  kLevel,
};

struct TableOutcome {
  TableFault fault = TableFault::kNone;
  std::size_t index = 0;    // Of the first entry at fault.
  std::uint64_t entry = 0;  // Its value.
};

// What the tables of one guest are translated by.
struct TableContext {
  const PvFrames& frames;
  // First frame of the m2p that Xen shows to 32-bit guests, by which their second-level tables
  // with entries of Xen's are known; kNoMfn for 64-bit guests.
  Mfn compat_m2p_mfn;
};

// Writes the page table `from` to `to` with pfns for mfns, and without the entries that are Xen's
// own: the Xen of the receiver makes its own. On a fault, `to` has no meaning.
// `from` may be memory that changes meanwhile; each entry is read once.
// Source: xg_sr_save_x86_pv.c normalise_pagetable.
TableOutcome normalise_table(ConstTable from, Table to, unsigned level,
                             const TableContext& context) noexcept;

// Appends the pfns of `table`'s present entries that have no memory yet, each once, rising.
// Throws Failure RECORD_VALUE for a pfn beyond the p2m.
void append_missing_pfns(ConstTable table, const P2mView& p2m, std::vector<Pfn>& pfns);

// Puts mfns for pfns into the present entries of `table`. All of them must have memory.
// Source: xg_sr_restore_x86_pv.c x86_pv_localise_page.
TableOutcome localise_table(Table table, const PvFrames& frames) noexcept;

}  // namespace xenferry::xen
