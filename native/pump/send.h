#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "lane.h"

namespace xenferry::pump {

// Sends dirty pages of one guest as PAGE_DATA records, over any number of transports at once.
// Contract and portable twin: src/migration/pump.ts.
class SendPump {
 public:
  // With `digests`, pages that were last sent with the same content are left out; the content that
  // counts is a copy, which is also what goes out.
  SendPump(GuestRam ram, const engine::Operations& operations, std::uint64_t bytes_per_second_max,
           std::optional<PageDigests> digests);

  // Sends what it can claim of one iteration; returns octets sent when the kernel has all of them.
  // Any number of threads may do so for the same iteration, each with an outlet of its own.
  // Throws Failure TRANSPORT_LOST or kCancelled.
  std::uint64_t send(Iteration& iteration, RecordOutlet& outlet, const Cancel& cancel);

  // Packs batches or not, from the next one on; only where zstd is available.
  void pack(CompressionMode mode) noexcept { mode_.store(mode, std::memory_order_relaxed); }

 private:
  std::unique_ptr<Lane> borrow_lane();
  void give_back(std::unique_ptr<Lane> lane);

  GuestRam ram_;
  const engine::Operations& operations_;
  Throttle throttle_;
  std::optional<PageDigests> digests_;
  std::atomic<CompressionMode> mode_ = CompressionMode::kNever;
  std::mutex lending_;
  std::vector<std::unique_ptr<Lane>> idle_;
};

}  // namespace xenferry::pump
