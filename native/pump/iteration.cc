#include "iteration.h"

namespace xenferry::pump {

bool Iteration::claim(Batch& batch, const engine::Operations& operations) {
  const std::lock_guard<std::mutex> claiming(claiming_);
  const Timed timed{plan_.counters, Counters::kScanNs};
  const std::size_t count = operations.scan_bitmap.run()(plan_.dirty, next_pfn_, batch.room());
  batch.take(count);
  for (const std::uint32_t pfn : batch.pfns()) {
    plan_.dirty[pfn / 8] &= static_cast<std::uint8_t>(~(1u << (pfn % 8)));
  }
  if (count > 0) next_pfn_ = std::uint64_t{batch.pfns().back()} + 1;
  return count > 0;
}

}  // namespace xenferry::pump
