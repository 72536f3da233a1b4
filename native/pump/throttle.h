#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "cancel.h"

namespace xenferry::pump {

// Keeps a rate in octets a second, of all threads together: a bucket of tokens that holds a
// twentieth of a second's worth.
class Throttle {
 public:
  // 0 is no limit.
  explicit Throttle(std::uint64_t bytes_per_second_max) : rate_(bytes_per_second_max) {}

  // Waits until `byte_count` octets may go; a batch larger than the bucket goes when the debt of
  // those before it is paid. Throws Failure kCancelled.
  void await(std::uint64_t byte_count, const Cancel& cancel);

 private:
  using Clock = std::chrono::steady_clock;

  // Takes the tokens, or says how long until there is no debt.
  std::chrono::milliseconds take(std::uint64_t byte_count);

  std::uint64_t rate_;
  std::mutex taking_;
  double tokens_ = 0;
  Clock::time_point filled_ = Clock::now();
};

}  // namespace xenferry::pump
