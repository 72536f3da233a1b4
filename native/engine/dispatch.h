// Which variant of each operation runs here.
#pragma once

#include <string>
#include <vector>

#include "bitmap.h"
#include "checksum.h"
#include "pages.h"

namespace xenferry::engine {

// A variant that this CPU can run.
template <typename Function>
struct Variant {
  const char* name;
  Function function;
};

template <typename Function>
using Variants = std::vector<Variant<Function>>;

// All that can run here, the portable one first.
Variants<ScanBitmap> scan_bitmap_variants();
Variants<CountBitmap> count_bitmap_variants();
Variants<OrBitmap> or_bitmap_variants();
Variants<FindZeroPages> find_zero_pages_variants();
Variants<ChecksumPages> checksum_pages_variants();

// The chosen variants.
struct Dispatch {
  Variant<ScanBitmap> scan_bitmap;
  Variant<CountBitmap> count_bitmap;
  Variant<OrBitmap> or_bitmap;
  Variant<FindZeroPages> find_zero_pages;
  Variant<ChecksumPages> checksum_pages;
};

// Measures the variants against each other on small inputs (well under 10 ms in all) and takes the
// fastest of each; a later one must be faster by a tenth to displace an earlier one.
Dispatch measured_dispatch();

}  // namespace xenferry::engine
