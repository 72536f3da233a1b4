#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>

#include "page_target.h"

namespace xenferry::pump {

// Guest RAM as a file: page n lies at n times 4096. The descriptor is the caller's.
class RamFile : public PageTarget {
 public:
  RamFile(int fd, std::uint64_t pfn_count) : fd_(fd), pfn_count_(pfn_count) {}

  std::uint64_t pfn_count() const noexcept override { return pfn_count_; }

  // A file has room for every page from the start.
  void expect(engine::ConstWords, engine::ConstBytes) override {}

  // Throws Failure GUEST_HOST_CALL.
  void store(engine::ConstWords pfns, std::span<const std::byte> pages) override;

 private:
  void store_run(std::uint32_t first_pfn, std::span<const std::byte> run);

  int fd_;
  std::uint64_t pfn_count_;

  // The kernel lets one thread write to a file at a time, and those who wait for it burn CPU time:
  // three times the speed was measured with one waiting here instead.
  std::mutex storing_;
};

}  // namespace xenferry::pump
