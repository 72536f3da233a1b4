// Kernel constants that older headers lack (userfaultfd write-protect async and PAGEMAP_SCAN came
// with Linux 6.7). Source: include/uapi/linux/{userfaultfd.h,fs.h}.
#pragma once

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#include <cstdint>

namespace xenferry::uapi {

inline constexpr int kUffdUserModeOnly = 1;
inline constexpr std::uint64_t kUffdFeatureWpHugetlbfsShmem = 1ULL << 12;
inline constexpr std::uint64_t kUffdFeatureWpUnpopulated = 1ULL << 13;
inline constexpr std::uint64_t kUffdFeatureWpAsync = 1ULL << 15;

struct PageRegion {
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t categories;
};
static_assert(sizeof(PageRegion) == 24);

struct PagemapScanArg {
  std::uint64_t size;
  std::uint64_t flags;
  std::uint64_t start;
  std::uint64_t end;
  std::uint64_t walk_end;
  std::uint64_t vec;
  std::uint64_t vec_len;
  std::uint64_t max_pages;
  std::uint64_t category_inverted;
  std::uint64_t category_mask;
  std::uint64_t category_anyof_mask;
  std::uint64_t return_mask;
};
static_assert(sizeof(PagemapScanArg) == 96);

inline constexpr std::uint64_t kPageIsWritten = 1ULL << 1;
inline constexpr std::uint64_t kScanWpMatching = 1ULL << 0;
inline constexpr std::uint64_t kScanCheckWpAsync = 1ULL << 1;
inline constexpr unsigned long kPagemapScan = _IOWR('f', 16, PagemapScanArg);
static_assert(kPagemapScan == 0xc0606610UL);

}  // namespace xenferry::uapi
