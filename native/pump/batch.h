#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "../engine/dispatch.h"
#include "guest_ram.h"

namespace xenferry::pump {

inline constexpr std::size_t kBatchPagesMax = 1024;

// Page types of the stream that a sender gives. Source: src/format/page-type.ts.
inline constexpr std::uint8_t kNotab = 0x0;
inline constexpr std::uint8_t kXalloc = 0xe;

// Up to 1024 pages on their way into one PAGE_DATA record. Reused from batch to batch.
class Batch {
 public:
  Batch();

  // Where the scan puts frame numbers, rising; `take` says how many.
  engine::Words room() noexcept { return pfns_; }
  void take(std::size_t page_count) noexcept;

  engine::ConstWords pfns() const noexcept { return engine::ConstWords(pfns_).first(count_); }
  engine::Bytes types() noexcept { return engine::Bytes(types_).first(count_); }

  // Takes pages out: those whose entry of `is_out` is not zero.
  void remove(engine::ConstBytes is_out) noexcept;

  // Frames of type NOTAB, whose pages go along; valid after `collect_data_pfns`.
  void collect_data_pfns() noexcept;
  engine::ConstWords data_pfns() const noexcept {
    return engine::ConstWords(data_pfns_).first(data_count_);
  }

  // The record as it goes out: its head, then the pages as they lie in `ram`, neighbours together.
  // Valid until the batch changes. `encode` is the engine's.
  std::span<iovec> record(const GuestRam& ram, engine::EncodePageDataHead* encode);

  // The same with pages that lie anywhere.
  std::span<iovec> record(std::span<const std::uint8_t* const> pages,
                          engine::EncodePageDataHead* encode);

  // The same with copies of the pages, one behind the other.
  std::span<iovec> record(engine::ConstBytes copies, engine::EncodePageDataHead* encode);

  // The same as a record of type kPageDataZstdType, with what PagePacker made of the pages.
  std::span<iovec> packed_record(engine::ConstBytes packed, engine::EncodePageDataHead* encode);

  std::size_t head_bytes() const noexcept {
    return engine::kHeadBytes + engine::kPfnWordBytes * count_;
  }

 private:
  void begin_record(engine::EncodePageDataHead* encode);
  void add_runs(engine::ConstBytes pages, engine::ConstWords numbers, std::uint32_t first_number);

  std::array<std::uint32_t, kBatchPagesMax> pfns_;
  std::array<std::uint32_t, kBatchPagesMax> data_pfns_;
  std::array<std::uint8_t, kBatchPagesMax> types_;
  std::array<std::uint8_t, engine::kHeadBytes + engine::kPfnWordBytes * kBatchPagesMax> head_;
  std::vector<iovec> parts_;
  std::size_t count_ = 0;
  std::size_t data_count_ = 0;
};

}  // namespace xenferry::pump
