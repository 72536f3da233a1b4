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
  const double rate = static_cast<double>(rate_);
  for (;;) {
    const auto now = Clock::now();
    const std::chrono::duration<double> elapsed = now - filled_;
    filled_ = now;
    tokens_ = std::min(tokens_ + elapsed.count() * rate, rate * kBucketSeconds);
    if (tokens_ >= 0) break;
    pollfd wait = {cancel.fd(), POLLIN, 0};
    poll(&wait, 1, static_cast<int>(std::ceil(-tokens_ / rate * 1000)));
    if (cancel.is_fired()) throw Failure::cancelled();
  }
  tokens_ -= static_cast<double>(byte_count);
}

}  // namespace xenferry::pump
