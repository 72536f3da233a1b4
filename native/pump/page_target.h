#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../engine/types.h"

namespace xenferry::pump {

// Memory of a guest that pages are received into. Every member may throw Failure.
class PageTarget {
 public:
  virtual ~PageTarget() = default;

  // Frames that there may be: those from here on are refused.
  virtual std::uint64_t pfn_count() const noexcept = 0;

  // Says what a record is about to bring, with or without data; one record at a time, in the
  // stream's order, while pages of earlier ones may still be stored.
  virtual void expect(engine::ConstWords pfns, engine::ConstBytes types) = 0;

  // Stores page i of `pages` at `pfns[i]`, in order of i. Any thread may do so at any time.
  virtual void store(engine::ConstWords pfns, std::span<const std::byte> pages) = 0;
};

}  // namespace xenferry::pump
