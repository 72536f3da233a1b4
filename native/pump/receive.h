#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <vector>

#include "../engine/dispatch.h"
#include "cancel.h"
#include "failure.h"
#include "page_data.h"
#include "page_target.h"
#include "wire.h"

namespace xenferry::pump {

// What came before the first record that is no PAGE_DATA.
struct Received {
  std::uint64_t records = 0;
  // Entries of all records, and those of them with data.
  std::uint64_t entries = 0;
  std::uint64_t data_pages = 0;
  // Octets of those records, headers included.
  std::uint64_t bytes = 0;
  // Header of the record that ended them, read and not counted in `bytes`.
  RecordHeader next = {};
};

// Receives PAGE_DATA records, packed or not, straight into a guest's memory: threads take turns at
// reading pieces into buffers that stay in the caches, and store them at the same time. Contract:
// src/migration/receive-pump.ts. Errors: those of src/codec/page-data.ts.
class ReceivePump {
 public:
  // `offset` is where the body after `first` starts in the stream.
  ReceivePump(Inlet& inlet, PageTarget& target, const engine::Operations& operations,
              std::uint64_t offset);

  // Reads the record that `first` (a PAGE_DATA) starts and all PAGE_DATA after it, with
  // `thread_count` threads, this one among them. Packed ones only where zstd is available.
  // Throws Failure RECORD_TOO_LONG, PAGE_DATA_*, GUEST_PFN_RANGE, GUEST_HOST_CALL,
  // STREAM_TRUNCATED, TRANSPORT_LOST, kCancelled.
  Received run(RecordHeader first, std::size_t thread_count);

 private:
  struct Piece;

  void work() noexcept;
  bool take_turn(Piece& piece) noexcept;
  void keep_failure() noexcept;
  bool read_piece(Piece& piece);
  void enter_record(RecordHeader header);
  void read_words(std::size_t word_count);
  void decode_words();
  std::size_t check_frames() const;
  void keep_data_pfns();
  void read_exactly(std::span<std::byte> out);
  void read_pack(Piece& piece);
  void check_pack(std::uint64_t byte_count) const;
  Failure damaged() const;
  void end_packed_record();
  void await_order(const Piece& piece);

  Inlet& inlet_;
  PageTarget& target_;
  const engine::Operations& operations_;
  Received received_;

  // All of the following belongs to the thread whose turn it is.
  std::mutex turn_;
  std::uint64_t offset_;
  std::uint64_t record_offset_ = 0;
  // Where the record's body ends.
  std::uint64_t body_end_ = 0;
  bool is_packed_ = false;
  std::vector<std::uint8_t> words_;
  std::vector<std::uint8_t> types_;
  std::vector<std::uint32_t> data_pfns_;
  std::size_t taken_pages_ = 0;
  bool has_ended_ = false;
  bool is_in_header_ = false;
  // One above the highest page that a piece in flight may store.
  std::uint64_t in_flight_end_ = 0;

  std::mutex state_;
  std::condition_variable landed_;
  std::size_t in_flight_ = 0;
  std::exception_ptr failure_;
};

}  // namespace xenferry::pump
