#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <vector>

#include "../engine/dispatch.h"
#include "counters.h"
#include "page_source.h"
#include "page_target.h"
#include "record_walk.h"

namespace xenferry::pump {

// Receives PAGE_DATA records, packed or not, into a guest's memory: threads take turns at claiming
// pieces of the stream, bring them into buffers, and store them at the same time.
// Contract: src/transport/pump-addon.ts. Errors: those of src/codec/page-data.ts.
class ReceivePump {
 public:
  // `offset` is where the body after the first header starts in the stream.
  ReceivePump(PageSource& source, PageTarget& target, const engine::Operations& operations,
              std::uint64_t offset, Counters counters);

  // Receives the record that `first` (a PAGE_DATA) starts and all PAGE_DATA after it, with
  // `thread_count` threads, this one among them. Packed ones only where zstd is available.
  // Throws Failure RECORD_TOO_LONG, PAGE_DATA_*, GUEST_PFN_RANGE, GUEST_HOST_CALL,
  // STREAM_TRUNCATED, TRANSPORT_LOST, kCancelled.
  Received run(RecordHeader first, std::size_t thread_count);

 private:
  // Frames of a piece that was claimed and is not stored yet: none lower or higher.
  struct InFlight {
    std::uint32_t lowest;
    std::uint32_t highest;
  };

  void work() noexcept;
  void finish(Piece& piece);
  bool claim(Piece& piece);
  bool take_turn(Piece& piece) noexcept;
  void keep_failure() noexcept;
  void await_order(const Piece& piece);
  void land(const Piece& piece);

  PageSource& source_;
  PageTarget& target_;
  Counters counters_;

  // Belongs to the thread whose turn it is.
  std::mutex turn_;
  RecordWalk walk_;

  std::mutex state_;
  std::condition_variable landed_;
  std::vector<InFlight> in_flight_;
  std::exception_ptr failure_;
};

}  // namespace xenferry::pump
