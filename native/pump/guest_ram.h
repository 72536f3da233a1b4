#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "../engine/types.h"

namespace xenferry::pump {

// Part of guest RAM that is mapped here; the guest may write it meanwhile.
struct Window {
  std::uint32_t first_pfn;
  engine::ConstBytes bytes;
};

// Guest RAM as windows, rising and without gaps. The mappings are the caller's.
class GuestRam {
 public:
  explicit GuestRam(std::vector<Window> windows) : windows_(std::move(windows)) {}

  // Calls `visit(window, pfns)` for each run of `pfns` (rising, all in RAM) that lies in one
  // window.
  template <typename Visit>
  void for_each_window(engine::ConstWords pfns, Visit visit) const {
    while (!pfns.empty()) {
      const Window& window = window_of(pfns.front());
      const std::uint64_t end = window.first_pfn + window.bytes.size() / engine::kPageBytes;
      const auto last = std::lower_bound(pfns.begin(), pfns.end(), end);
      const auto count = static_cast<std::size_t>(last - pfns.begin());
      visit(window, pfns.first(count));
      pfns = pfns.subspan(count);
    }
  }

 private:
  const Window& window_of(std::uint32_t pfn) const {
    const auto above = std::upper_bound(
        windows_.begin(), windows_.end(), pfn,
        [](std::uint32_t value, const Window& window) { return value < window.first_pfn; });
    return *(above - 1);
  }

  std::vector<Window> windows_;
};

}  // namespace xenferry::pump
