#include "pv_pins.h"

#include "pv_failure.h"
#include "pv_tables.h"

namespace xenferry::xen {

namespace {

constexpr std::uint8_t kPinned = 0x8;

}  // namespace

void pin_tables(PageTypes types, const PvFrames& frames, const PinBatch& pin) {
  std::vector<PinOperation> batch;
  batch.reserve(kPinsMax);
  for (std::size_t pfn = 0; pfn < types.size(); ++pfn) {
    const unsigned level = table_level(types[pfn]);
    if (level == 0 || (types[pfn] & kPinned) == 0) continue;
    const Mfn mfn = frames.mfn_of(pfn);
    if (mfn == kNoMfn) throw stream_fault("pinnedPfn", pfn);
    batch.push_back({kPinLevel1 + level - 1, 0, mfn, 0});
    if (batch.size() == kPinsMax) {
      pin(batch);
      batch.clear();
    }
  }
  if (!batch.empty()) pin(batch);
}

}  // namespace xenferry::xen
