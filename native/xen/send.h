#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "../engine/dispatch.h"
#include "../pump/batch.h"
#include "../pump/counters.h"
#include "../pump/throttle.h"
#include "../pump/wire.h"
#include "frames.h"

namespace xenferry::xen {

// What one iteration sends. Memory is the caller's until it has ended.
struct SendPlan {
  // Frames to send; their bits are cleared as they are taken.
  engine::Bytes dirty;
  // Receives the bits of frames that cannot be sent now: page tables of a PV domain in the middle
  // of a change. Empty once the domain stands still: then such a table fails the save.
  engine::Bytes deferred;
  // Pages of zeros go as "allocate only": right only where the receiver has nothing else there.
  bool elides_zero_pages;
  // Names frames that hold nothing (XTAB), as Xen's own sender does; a receiver of an HVM guest
  // ignores them.
  bool names_holes;
  // Ends a record where 4 MiB of frames end, so that a receiver sees which superpages are whole.
  bool keeps_superpages;
  pump::Counters counters;
};

// Sends pages of a domain as PAGE_DATA records, straight out of mappings of its memory.
// Contract: src/migration/pump.ts.
class DomainSendPump {
 public:
  // `pv` is null unless the domain is a PV domain.
  DomainSendPump(const Domain& domain, const PvSource* pv, const engine::Operations& operations,
                 std::uint64_t bytes_per_second_max);

  // Returns octets sent when the kernel has all of them.
  // Throws Failure TRANSPORT_LOST, GUEST_HOST_CALL, GUEST_FRAMES or kCancelled.
  std::uint64_t send(const SendPlan& plan, pump::Outlet& outlet, const pump::Cancel& cancel);

 private:
  std::size_t scan(const SendPlan& plan, std::uint64_t& next_pfn);
  std::size_t fill_batch(const SendPlan& plan, std::size_t entry);
  void find_zero_pages(const pump::Counters& counters);
  std::uint64_t send_batch(const SendPlan& plan, pump::Outlet& outlet, const pump::Cancel& cancel);

  const engine::Operations& operations_;
  pump::Throttle throttle_;
  FrameWindow window_;
  pump::Batch batch_;
  // Numbers of the batch's data pages in the window, and where they are.
  std::vector<std::uint32_t> page_numbers_;
  std::vector<const std::uint8_t*> pages_;
};

}  // namespace xenferry::xen
