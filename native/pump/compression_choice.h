#pragma once

#include <chrono>
#include <cstdint>

namespace xenferry::pump {

// Chooses for each batch whether it is packed: the way that takes less time for an octet of guest
// memory, looked at again now and then because links and content change.
//
// A batch waits for those before it, which a socket or a bandwidth limit still holds. So each way
// is tried for several batches on end, and the first of them are not counted.
class CompressionChoice {
 public:
  using Duration = std::chrono::steady_clock::duration;

  bool packs_next() const noexcept;

  // Seconds an octet of guest memory takes the better way; 0 where none is known.
  double cost() const noexcept;

  // Tells what a batch with data took, packing and waiting included.
  void sent(std::uint64_t data_bytes, bool was_packed, Duration elapsed) noexcept;

 private:
  bool other_is_due() const noexcept;

  // Seconds an octet, of late, plain and packed; negative where it is not known.
  double costs_[2] = {-1, -1};
  // How batches go, and how many have gone so on end.
  bool packs_ = false;
  unsigned batches_ = 0;
};

}  // namespace xenferry::pump
