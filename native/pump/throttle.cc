#include "throttle.h"

#include <poll.h>

#include <algorithm>
#include <cmath>

#include "failure.h"

namespace xenferry::pump {
namespace {

constexpr double kBucketSeconds = 0.05;

}  // namespace

void Throttle::await(std::uint64_t byte_count, const Cancel& cancel) {
  if (rate_ == 0) return;
  for (auto wait = take(byte_count); wait.count() > 0; wait = take(byte_count)) {
    pollfd cancelled = {cancel.fd(), POLLIN, 0};
    poll(&cancelled, 1, static_cast<int>(wait.count()));
    if (cancel.is_fired()) throw Failure::cancelled();
  }
}

std::chrono::milliseconds Throttle::take(std::uint64_t byte_count) {
  const std::lock_guard<std::mutex> taking(taking_);
  const double rate = static_cast<double>(rate_);
  const auto now = Clock::now();
  const std::chrono::duration<double> elapsed = now - filled_;
  filled_ = now;
  tokens_ = std::min(tokens_ + elapsed.count() * rate, rate * kBucketSeconds);
  if (tokens_ < 0) return std::chrono::milliseconds(std::lround(std::ceil(-tokens_ / rate * 1000)));
  tokens_ -= static_cast<double>(byte_count);
  return {};
}

}  // namespace xenferry::pump
