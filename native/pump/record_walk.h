#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "../engine/dispatch.h"
#include "failure.h"
#include "page_data.h"
#include "page_source.h"
#include "page_target.h"

namespace xenferry::pump {

// What came before the first record that is neither PAGE_DATA, packed or not, nor PAGE_ALIGNMENT.
struct Received {
  // Records of PAGE_DATA.
  std::uint64_t records = 0;
  // Entries of all records, and those of them with data.
  std::uint64_t entries = 0;
  std::uint64_t data_pages = 0;
  // Octets of all those records, headers included.
  std::uint64_t bytes = 0;
  // Header of the record that ended them, read and not counted in `bytes`.
  RecordHeader next = {};
};

// Goes through PAGE_DATA records, packed ones only where zstd is available: reads and checks their
// heads, tells the target what they bring, and gives out their pages in pieces. Errors: those of
// src/codec/page-data.ts and src/codec/record.ts.
class RecordWalk {
 public:
  // `offset` is where the body after the first header starts in the stream.
  RecordWalk(PageSource& source, PageTarget& target, const engine::Operations& operations,
             std::uint64_t offset);

  // Enters the record that `first` (a PAGE_DATA) starts. Throws as `take`.
  void begin(RecordHeader first) { enter(first); }

  // Claims the next pages, up to a piece of one record; false where there are no more.
  // Throws Failure RECORD_TOO_LONG, PAGE_DATA_*, GUEST_PFN_RANGE, STREAM_TRUNCATED, and what the
  // source throws.
  bool take(Piece& piece);

  // What was gone through so far.
  const Received& received() const noexcept { return received_; }

 private:
  bool enter_next();
  void enter(RecordHeader header);
  void pass_alignment(RecordHeader header);
  void claim_plain(Piece& piece);
  void read_pack(Piece& piece);
  void check_pack(std::uint64_t byte_count) const;
  Failure damaged() const;
  void end_packed_record();
  void begin_body(RecordHeader header);
  Failure failure(const char* code, Failure::Facts facts) const;
  void read_words(std::size_t word_count);
  void decode_words();
  std::size_t check_frames() const;
  void keep_data_pfns();
  void read_exactly(std::span<std::byte> out);
  void advance(std::uint64_t got, std::uint64_t wanted);

  PageSource& source_;
  PageTarget& target_;
  const engine::Operations& operations_;
  Received received_;
  std::uint64_t offset_;
  std::uint64_t record_offset_ = 0;
  // Type of the record whose body is being read; none for a header.
  std::optional<std::uint32_t> record_type_;
  bool has_ended_ = false;
  // Of the record entered: where its body ends, and its columns.
  std::uint64_t body_end_ = 0;
  bool is_packed_ = false;
  std::vector<std::uint8_t> words_;
  std::vector<std::uint8_t> types_;
  std::vector<std::uint32_t> data_pfns_;
  std::size_t taken_pages_ = 0;
};

}  // namespace xenferry::pump
