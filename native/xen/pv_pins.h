// Page tables that a restored PV guest had pinned.
#pragma once

#include <functional>
#include <span>

#include "pv_vcpu.h"

namespace xenferry::xen {

// One operation of mmuext_op. Source: struct mmuext_op in xen/include/public/xen.h.
struct PinOperation {
  std::uint32_t command;
  std::uint32_t padding;
  std::uint64_t mfn;
  std::uint64_t unused;
};
static_assert(sizeof(PinOperation) == 24);

// MMUEXT_PIN_L1_TABLE; those of the other levels follow.
inline constexpr std::uint32_t kPinLevel1 = 0;

// As many as Xen's own restore asks for at once. Source: MAX_PIN_BATCH in xg_sr_common.h.
inline constexpr std::size_t kPinsMax = 1024;

using PinBatch = std::function<void(std::span<PinOperation> operations)>;

// Calls `pin` with up to kPinsMax operations at a time for all tables of a pinned type, by rising
// pfn: a pin makes Xen check the whole tree below, so that their order among themselves does not
// matter, as long as all tables have arrived and no foreign mapping writes them any more.
// Throws Failure RECORD_VALUE for a pinned pfn without memory. Source: xg_sr_restore_x86_pv.c
// pin_pagetables.
void pin_tables(PageTypes types, const PvFrames& frames, const PinBatch& pin);

}  // namespace xenferry::xen
