#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "../engine/dispatch.h"
#include "batch.h"
#include "cancel.h"
#include "counters.h"
#include "guest_ram.h"
#include "throttle.h"
#include "wire.h"

namespace xenferry::pump {

// What one iteration sends. Memory is the caller's until the iteration has ended.
struct Iteration {
  // Pages to send; their bits are cleared as they are taken.
  engine::Bytes dirty;
  // Pages that may hold data, in the first iteration: the others go as "allocate only". Else empty.
  engine::ConstBytes populated;
  // Pages of zeros go as "allocate only": right only where the receiver has nothing else there.
  bool elides_zero_pages;
  Counters counters;
};

// Sends dirty pages of one guest as PAGE_DATA records.
// Contract and portable twin: src/migration/pump.ts.
class SendPump {
 public:
  SendPump(GuestRam ram, const engine::Operations& operations, std::uint64_t bytes_per_second_max)
      : ram_(std::move(ram)), operations_(operations), throttle_(bytes_per_second_max) {}

  // Sends one iteration; returns when the kernel has all of it.
  // Throws Failure TRANSPORT_LOST or kCancelled.
  void send(const Iteration& iteration, Outlet& outlet, const Cancel& cancel);

 private:
  std::size_t scan(const Iteration& iteration, std::uint64_t first_pfn);
  void choose_types(const Iteration& iteration);
  void send_batch(const Iteration& iteration, Outlet& outlet);

  GuestRam ram_;
  const engine::Operations& operations_;
  Throttle throttle_;
  Batch batch_;
};

}  // namespace xenferry::pump
