#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "batch.h"
#include "compression.h"
#include "compression_choice.h"
#include "digests.h"
#include "guest_ram.h"
#include "iteration.h"
#include "record_outlet.h"
#include "throttle.h"

namespace xenferry::pump {

// What the lanes of one guest share. `digests` is null where pages go whatever was sent last.
struct LaneParts {
  const GuestRam& ram;
  const engine::Operations& operations;
  Throttle& throttle;
  PageDigests* digests;
  const std::atomic<CompressionMode>& compression;
};

// The buffers of one thread that sends batches: one at a time, one record each.
class Lane {
 public:
  explicit Lane(const LaneParts& parts);

  // Claims batches of `iteration` and sends them until none are left; returns octets sent.
  // Throws Failure TRANSPORT_LOST or kCancelled.
  std::uint64_t run(Iteration& iteration, RecordOutlet& outlet, const Cancel& cancel);

 private:
  void choose_types(const IterationPlan& plan);
  void name_zero_pages(const Counters& counters);
  void gather(const Counters& counters);
  bool digests_pages() const noexcept;
  void drop_unchanged(const Counters& counters);
  void forget_digests();
  void keep_copy(std::size_t copy, std::size_t as);
  void drop(engine::ConstBytes digests, const Counters& counters);
  std::uint64_t send_batch(const Counters& counters, RecordOutlet& outlet, const Cancel& cancel);
  std::span<iovec> plain_record();
  std::span<iovec> packed_record(const Counters& counters);
  engine::ConstBytes copies() const;

  LaneParts parts_;
  Batch batch_;
  // Copies of the batch's data pages, where they are digested or packed.
  std::vector<std::uint8_t> copies_;
  // Whether `copies_` are of the batch as it is.
  bool has_copies_ = false;
  // Seconds an octet that copying and digesting took last; 0 where it was not tried.
  double digest_cost_ = 0;
  std::unique_ptr<PagePacker> packer_;
  CompressionChoice choice_;
};

}  // namespace xenferry::pump
