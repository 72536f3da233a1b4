#include "iteration.h"

#include <chrono>

namespace xenferry::pump {

bool Iteration::claim(Batch& batch, const engine::Operations& operations) {
  const std::lock_guard<std::mutex> claiming(claiming_);
  const auto start = std::chrono::steady_clock::now();
  const std::size_t count = operations.scan_bitmap.run()(plan_.dirty, next_pfn_, batch.room());
  batch.take(count);
  for (const std::uint32_t pfn : batch.pfns()) {
    plan_.dirty[pfn / 8] &= static_cast<std::uint8_t>(~(1u << (pfn % 8)));
  }
  if (count > 0) next_pfn_ = std::uint64_t{batch.pfns().back()} + 1;
  const std::chrono::nanoseconds elapsed = std::chrono::steady_clock::now() - start;
  plan_.counters.add(Counters::kScanNs, static_cast<std::uint64_t>(elapsed.count()));
  return count > 0;
}

}  // namespace xenferry::pump
