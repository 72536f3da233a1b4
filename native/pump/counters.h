#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace xenferry::pump {

// What a pump has done so far: 64-bit words that JavaScript reads while the pump's threads add.
// The order is that of COUNTER in src/migration/pump-native.ts.
class Counters {
 public:
  enum Index : std::size_t {
    kPagesSent,
    kPagesAllocateOnly,
    kPagesUnchanged,
    kBytes,
    kScanNs,
    kPagesDeferred,
    kCount,
  };

  // `words` has kCount entries and is the caller's.
  explicit Counters(std::span<std::uint64_t> words) : words_(words) {}

  void add(Index index, std::uint64_t amount) const noexcept {
    std::atomic_ref<std::uint64_t>{words_[index]}.fetch_add(amount, std::memory_order_relaxed);
  }

 private:
  std::span<std::uint64_t> words_;
};

}  // namespace xenferry::pump
