#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>

#include "../engine/dispatch.h"
#include "page_source.h"
#include "record_walk.h"

namespace xenferry::pump {

// Guest RAM as a file: page n lies at n times 4096.
struct RamFile {
  int fd;
  std::uint64_t pfn_count;
};

// Receives PAGE_DATA records into a guest's RAM: threads take turns at claiming pieces of the
// stream, bring them into buffers, and store them.
// Contract: src/transport/pump-addon.ts. Errors: those of src/codec/page-data.ts.
class ReceivePump {
 public:
  // `offset` is where the body after the first header starts in the stream.
  ReceivePump(PageSource& source, RamFile ram, const engine::Operations& operations,
              std::uint64_t offset);

  // Receives the record that `first` (a PAGE_DATA) starts and all PAGE_DATA after it, with
  // `thread_count` threads, this one among them.
  // Throws Failure RECORD_TOO_LONG, PAGE_DATA_*, GUEST_PFN_RANGE, GUEST_HOST_CALL,
  // STREAM_TRUNCATED, TRANSPORT_LOST, kCancelled.
  Received run(RecordHeader first, std::size_t thread_count);

 private:
  void work() noexcept;
  bool take_turn(Piece& piece) noexcept;
  void keep_failure() noexcept;
  void await_order(const Piece& piece);
  void store(const Piece& piece);

  PageSource& source_;
  RamFile ram_;

  // The following two belong to the thread whose turn it is.
  std::mutex turn_;
  RecordWalk walk_;
  // One above the highest page that a piece in flight may store.
  std::uint64_t in_flight_end_ = 0;

  // The kernel lets one thread write to a file at a time, and those who wait for it burn CPU time:
  // three times the speed was measured with one waiting here instead.
  std::mutex storing_;

  std::mutex state_;
  std::condition_variable landed_;
  std::size_t in_flight_ = 0;
  std::exception_ptr failure_;
};

}  // namespace xenferry::pump
