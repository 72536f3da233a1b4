#pragma once

#include <cstdint>
#include <mutex>

#include "../engine/dispatch.h"
#include "batch.h"
#include "counters.h"

namespace xenferry::pump {

// What one iteration sends. Memory is the caller's until the iteration has ended.
struct IterationPlan {
  // Pages to send; their bits are cleared as they are claimed.
  engine::Bytes dirty;
  // Pages that may hold data, in the first iteration: the others go as "allocate only". Else empty.
  engine::ConstBytes populated;
  // Pages of zeros go as "allocate only": right only where the receiver has nothing else there.
  bool elides_zero_pages;
  Counters counters;
};

// One iteration over dirty pages, which any number of threads claim batch by batch.
class Iteration {
 public:
  explicit Iteration(const IterationPlan& plan) : plan_(plan) {}

  const IterationPlan& plan() const noexcept { return plan_; }

  // Takes the next dirty pages into `batch`; false where none are left.
  bool claim(Batch& batch, const engine::Operations& operations);

 private:
  IterationPlan plan_;
  std::mutex claiming_;
  std::uint64_t next_pfn_ = 0;
};

}  // namespace xenferry::pump
