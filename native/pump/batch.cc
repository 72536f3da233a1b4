#include "batch.h"

#include <algorithm>

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

std::span<iovec> Batch::record(const GuestRam& ram, engine::EncodePageDataHead* encode) {
  begin_record(encode);
  ram.for_each_window(data_pfns(), [&](const Window& window, engine::ConstWords pfns) {
    std::size_t first = 0;
    for (std::size_t entry = 1; entry <= pfns.size(); ++entry) {
      if (entry < pfns.size() && pfns[entry] == pfns[entry - 1] + 1) continue;
      const std::size_t at = std::size_t{pfns[first] - window.first_pfn} * engine::kPageBytes;
      const std::size_t bytes = (entry - first) * engine::kPageBytes;
      parts_.push_back(part_of(window.bytes.subspan(at, bytes)));
      first = entry;
    }
  });
  return parts_;
}

std::span<iovec> Batch::record(engine::ConstBytes gathered, engine::EncodePageDataHead* encode) {
  begin_record(encode);
  if (!gathered.empty()) parts_.push_back(part_of(gathered));
  return parts_;
}

}  // namespace xenferry::pump
