#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "bitmap.h"
#include "checksum.h"
#include "digest.h"
#include "page_head.h"
#include "pages.h"

// Which variant of each page operation runs.
namespace xenferry::engine {

// One way to run an operation; all variants of an operation give the same bytes.
template <typename Function>
struct Variant {
  std::string_view name;
  Function* run;
};

// Which of the variants of an operation is the fastest here, as an index. The first call measures.
using Fastest = std::size_t();

// An operation with the variants that this CPU can run, narrow to wide, "portable" first.
template <typename Function>
class Operation {
 public:
  // Without `fastest` there is one variant.
  Operation(std::string_view name, Variant<Function> portable, Fastest* fastest = nullptr)
      : name_(name), variants_{portable}, fastest_(fastest) {}

  std::string_view name() const noexcept { return name_; }
  const std::vector<Variant<Function>>& variants() const noexcept { return variants_; }

  // The one that was chosen by name, else the fastest.
  const Variant<Function>& chosen() const {
    if (chosen_.has_value()) return variants_[*chosen_];
    return variants_[fastest_ == nullptr ? 0 : fastest_()];
  }
  Function* run() const { return chosen().run; }

  void add(Variant<Function> variant) { variants_.push_back(variant); }
  void choose(std::size_t variant) noexcept { chosen_ = variant; }

  // Which of `variants` has that name.
  std::optional<std::size_t> find(std::string_view variant_name) const noexcept {
    for (std::size_t variant = 0; variant < variants_.size(); ++variant) {
      if (variants_[variant].name == variant_name) return variant;
    }
    return std::nullopt;
  }

 private:
  std::string_view name_;
  std::vector<Variant<Function>> variants_;
  Fastest* fastest_;
  std::optional<std::size_t> chosen_;
};

struct Operations {
  Operation<ScanBitmap> scan_bitmap;
  Operation<CountBitmap> count_bitmap;
  Operation<OrBitmap> or_bitmap;
  Operation<FindZeroPages> find_zero_pages;
  Operation<GatherPages> gather_pages;
  Operation<ScatterPages> scatter_pages;
  Operation<ComparePages> compare_pages;
  Operation<ChecksumPages> checksum_pages;
  Operation<DigestPages> digest_pages;
  Operation<EncodePageDataHead> encode_page_data_head;
  Operation<DecodePageDataHead> decode_page_data_head;
};

// Calls `visit` with every operation, in the order of the contract.
template <typename Table, typename Visitor>
void for_each_operation(Table& operations, Visitor&& visit) {
  visit(operations.scan_bitmap);
  visit(operations.count_bitmap);
  visit(operations.or_bitmap);
  visit(operations.find_zero_pages);
  visit(operations.gather_pages);
  visit(operations.scatter_pages);
  visit(operations.compare_pages);
  visit(operations.checksum_pages);
  visit(operations.digest_pages);
  visit(operations.encode_page_data_head);
  visit(operations.decode_page_data_head);
}

// The operations, of which each runs the variant that is fastest here. That is measured, in a
// millisecond or less, when the operation is first run or asked for its choice: who uses two of
// them does not wait for eleven. A wider variant must win by a twentieth, so that variants equal
// but for noise give the same choice each time.
const Operations& native_operations();

}  // namespace xenferry::engine
