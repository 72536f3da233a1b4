#include "batch.h"

#include <algorithm>
#include <cstring>

#include "page_data.h"

namespace xenferry::pump {
namespace {

iovec part_of(engine::ConstBytes bytes) {
  return {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

Batch::Batch() { parts_.reserve(kBatchPagesMax + 1); }

void Batch::take(std::size_t page_count) noexcept {
  count_ = page_count;
  std::fill_n(types_.begin(), count_, kNotab);
}

void Batch::remove(engine::ConstBytes is_out) noexcept {
  std::size_t kept = 0;
  for (std::size_t entry = 0; entry < count_; ++entry) {
    pfns_[kept] = pfns_[entry];
    types_[kept] = types_[entry];
    kept += is_out[entry] == 0 ? 1 : 0;
  }
  count_ = kept;
}

void Batch::collect_data_pfns() noexcept {
  data_count_ = 0;
  for (std::size_t entry = 0; entry < count_; ++entry) {
    data_pfns_[data_count_] = pfns_[entry];
    data_count_ += types_[entry] == kNotab ? 1 : 0;
  }
}

void Batch::begin_record(engine::EncodePageDataHead* encode) {
  const std::size_t bytes = encode(pfns(), types(), head_);
  parts_.clear();
  parts_.push_back(part_of(engine::ConstBytes(head_).first(bytes)));
}

// Adds the pages of `numbers`, rising, neighbours together; page `first_number` starts `pages`.
void Batch::add_runs(engine::ConstBytes pages, engine::ConstWords numbers,
                     std::uint32_t first_number) {
  std::size_t first = 0;
  for (std::size_t entry = 1; entry <= numbers.size(); ++entry) {
    if (entry < numbers.size() && numbers[entry] == numbers[entry - 1] + 1) continue;
    const std::size_t at = std::size_t{numbers[first] - first_number} * engine::kPageBytes;
    parts_.push_back(part_of(pages.subspan(at, (entry - first) * engine::kPageBytes)));
    first = entry;
  }
}

std::span<iovec> Batch::record(const GuestRam& ram, engine::EncodePageDataHead* encode) {
  begin_record(encode);
  ram.for_each_window(data_pfns(), [&](const Window& window, engine::ConstWords pfns) {
    add_runs(window.bytes, pfns, window.first_pfn);
  });
  return parts_;
}

std::span<iovec> Batch::record(std::span<const std::uint8_t* const> pages,
                               engine::EncodePageDataHead* encode) {
  begin_record(encode);
  const std::uint8_t* end_of_last = nullptr;
  for (const std::uint8_t* const page : pages) {
    if (page == end_of_last) {
      parts_.back().iov_len += engine::kPageBytes;
    } else {
      parts_.push_back(part_of({page, engine::kPageBytes}));
    }
    end_of_last = page + engine::kPageBytes;
  }
  return parts_;
}

std::span<iovec> Batch::record(engine::ConstBytes copies, engine::EncodePageDataHead* encode) {
  begin_record(encode);
  if (!copies.empty()) parts_.push_back(part_of(copies));
  return parts_;
}

std::span<iovec> Batch::packed_record(engine::ConstBytes packed,
                                      engine::EncodePageDataHead* encode) {
  static constexpr std::array<std::uint8_t, kRecordAlignBytes> kZeros = {};
  begin_record(encode);
  const std::size_t body_bytes = head_bytes() - sizeof(RecordHeader) + packed.size();
  const RecordHeader header = {kPageDataZstdType, static_cast<std::uint32_t>(body_bytes)};
  std::memcpy(head_.data(), &header, sizeof header);
  parts_.push_back(part_of(packed));
  parts_.push_back(part_of(engine::ConstBytes(kZeros).first(padding_of(body_bytes))));
  return parts_;
}

}  // namespace xenferry::pump
