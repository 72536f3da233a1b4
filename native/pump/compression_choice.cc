#include "compression_choice.h"

#include <algorithm>

namespace xenferry::pump {
namespace {

// Weight of the newest batch in a way's cost.
constexpr double kNewest = 0.25;
// Batches that may still wait for what went the other way: 8 MiB of pages.
constexpr unsigned kSettlingBatches = 2;
// Batches before a way is judged.
constexpr unsigned kTrialBatches = kSettlingBatches + 2;
// Batches after which the way that was not taken is tried again: 2 in a hundred go the worse way.
constexpr unsigned kRetryBatches = 256;
// How many times as long plain batches must take for CPU time to be spent on packing.
constexpr double kGainMin = 1.1;

}  // namespace

bool CompressionChoice::packs_next() const noexcept { return other_is_due() ? !packs_ : packs_; }

bool CompressionChoice::other_is_due() const noexcept {
  if (batches_ < kTrialBatches) return false;
  const bool other_is_unknown = costs_[!packs_] < 0;
  const bool packing_gains = costs_[true] * kGainMin < costs_[false];
  return other_is_unknown || packing_gains != packs_ || batches_ >= kRetryBatches;
}

double CompressionChoice::cost() const noexcept {
  const auto [least, most] = std::minmax(costs_[0], costs_[1]);
  return std::max(least < 0 ? most : least, 0.0);
}

void CompressionChoice::sent(std::uint64_t data_bytes, bool was_packed, Duration elapsed) noexcept {
  if (was_packed != packs_) {
    packs_ = was_packed;
    batches_ = 0;
  }
  if (++batches_ <= kSettlingBatches) return;
  double& known = costs_[was_packed];
  const double cost =
      std::chrono::duration<double>(elapsed).count() / static_cast<double>(data_bytes);
  known = known < 0 ? cost : (1 - kNewest) * known + kNewest * cost;
}

}  // namespace xenferry::pump
