// The guest's RAM and how writes to it are seen from outside.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "../host/mapping.h"
#include "../unique_fd.h"
#include "workload.h"

namespace xenferry::guest {

enum class LogDirtyChoice { kAuto, kUserfaultfd, kSoftware };

// RAM in a memfd, sparse, shared; tracked by userfaultfd write-protection, which another process
// reads with PAGEMAP_SCAN, or by a shared bitmap that every store marks.
class Ram {
 public:
  // Throws std::system_error where memory or the chosen tracking cannot be had.
  Ram(std::size_t page_count, LogDirtyChoice choice);

  std::size_t page_count() const { return page_count_; }
  PageWords page(std::size_t pfn) const;
  // Says that a store to `pfn` is complete.
  void mark_dirty(std::size_t pfn);

  int ram_fd() const { return ram_fd_.get(); }
  std::uintptr_t address() const { return reinterpret_cast<std::uintptr_t>(ram_.data()); }
  bool is_software() const { return bitmap_fd_.get() >= 0; }
  int bitmap_fd() const { return bitmap_fd_.get(); }
  // Why userfaultfd is not used; empty where it is.
  const std::string& software_reason() const { return software_reason_; }

  // Runs of pages that were ever written: first page, one past the last.
  std::vector<std::pair<std::size_t, std::size_t>> populated_extents() const;

 private:
  void track_by_software();

  std::size_t page_count_;
  UniqueFd ram_fd_;
  host::Mapping ram_;
  UniqueFd userfault_fd_;
  UniqueFd bitmap_fd_;
  host::Mapping bitmap_;
  std::string software_reason_;
};

}  // namespace xenferry::guest
