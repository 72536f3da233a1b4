#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>

namespace xenferry::pump {

// What a pump has done so far: 64-bit words that JavaScript reads while the pump's threads add.
// The order is that of COUNTER in src/transport/pump-counters.ts.
class Counters {
 public:
  enum Index : std::size_t {
    kPagesSent,
    kPagesAllocateOnly,
    kPagesUnchanged,
    // Of the stream, out or in.
    kBytes,
    kScanNs,
    kPagesDeferred,
    // Time on parts of the work, of all threads together.
    kMapNs,
    kZeroNs,
    kCopyNs,
    kChecksumNs,
    kCompressNs,
    kWriteNs,
    // For a transport that is full, or empty, or for a bandwidth limit.
    kWaitNs,
    // Of pages that come in: pages with data, and time on reading (waiting included), unpacking and
    // storing.
    kPagesTaken,
    kReadNs,
    kUnpackNs,
    kStoreNs,
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

// Adds the time from its making to its end to a counter.
class Timed {
 public:
  Timed(const Counters& counters, Counters::Index index) : counters_(counters), index_(index) {}
  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

  ~Timed() {
    const std::chrono::nanoseconds elapsed = std::chrono::steady_clock::now() - start_;
    counters_.add(index_, static_cast<std::uint64_t>(elapsed.count()));
  }

 private:
  const Counters& counters_;
  Counters::Index index_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace xenferry::pump
