#include "dirty.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <system_error>

#include "crew.h"
#include "uapi.h"

namespace xenferry::host {
namespace {

constexpr std::uint64_t kPageBytes = 4096;
// Fewest pages that a thread scans at a time, whole words of a bitmap: less takes less than waking
// it. Few large parts take less time than many small ones.
constexpr std::size_t kPartPagesMin = 32 * 1024;
constexpr std::size_t kPartsPerThread = 2;
// Regions that one call returns; more calls cost the same (a scan resumes where it stopped).
constexpr std::size_t kRegionsPerCall = 4096;

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

void set_bits(Bitmap bitmap, std::size_t first, std::size_t end) {
  while (first < end) {
    const std::size_t bit = first % 64;
    const std::size_t taken = std::min(end - first, 64 - bit);
    const std::uint64_t ones = taken == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << taken) - 1;
    bitmap[first / 64] |= ones << bit;
    first += taken;
  }
}

// Scans one part of a range, which is whole words of `out`.
std::size_t scan_part(const TrackedRange& range, ScanMode mode, Bitmap out) {
  std::array<uapi::PageRegion, kRegionsPerCall> regions;
  const std::uint64_t end = range.address + range.page_count * kPageBytes;
  std::size_t written = 0;
  // A scan that only looks may report pages of a region again; regions rise.
  std::size_t counted_until = 0;
  for (std::uint64_t at = range.address; at < end;) {
    uapi::PagemapScanArg scan{};
    scan.size = sizeof scan;
    scan.flags = uapi::kScanCheckWpAsync;
    if (mode == ScanMode::kClean) scan.flags |= uapi::kScanWpMatching;
    scan.start = at;
    scan.end = end;
    scan.vec = reinterpret_cast<std::uint64_t>(regions.data());
    scan.vec_len = regions.size();
    scan.category_mask = uapi::kPageIsWritten;
    scan.return_mask = uapi::kPageIsWritten;
    const int found = ioctl(range.pagemap_fd, uapi::kPagemapScan, &scan);
    if (found < 0) {
      if (errno == EINTR) continue;
      fail("PAGEMAP_SCAN");
    }
    for (int index = 0; index < found; ++index) {
      const std::size_t first = (regions[index].start - range.address) / kPageBytes;
      const std::size_t last = (regions[index].end - range.address) / kPageBytes;
      set_bits(out, first, last);
      if (last > counted_until) written += last - std::max(first, counted_until);
      counted_until = std::max(counted_until, last);
    }
    if (scan.walk_end <= at) fail("PAGEMAP_SCAN stands still");
    at = scan.walk_end;
  }
  return written;
}

}  // namespace

std::size_t scan_written(const TrackedRange& range, ScanMode mode, Bitmap out) {
  Crew& crew = Crew::instance();
  const std::size_t share = range.page_count / (kPartsPerThread * crew.size());
  const std::size_t part_pages = std::max(kPartPagesMin, (share + 63) / 64 * 64);
  const std::size_t part_count = (range.page_count + part_pages - 1) / part_pages;
  std::atomic<std::size_t> written{0};
  crew.run(part_count, [&](std::size_t number) {
    const std::size_t first = number * part_pages;
    const TrackedRange part = {
        .pagemap_fd = range.pagemap_fd,
        .address = range.address + first * kPageBytes,
        .page_count = std::min(part_pages, range.page_count - first),
    };
    written += scan_part(part, mode, out.subspan(first / 64));
  });
  return written;
}

std::size_t exchange_bitmap(std::span<std::uint64_t> shared, Bitmap out) noexcept {
  std::size_t ones = 0;
  for (std::size_t index = 0; index < shared.size(); ++index) {
    std::atomic_ref<std::uint64_t> word{shared[index]};
    if (word.load(std::memory_order_relaxed) == 0) continue;
    const std::uint64_t dirty = word.exchange(0, std::memory_order_acquire);
    out[index] |= dirty;
    ones += std::popcount(dirty);
  }
  return ones;
}

std::size_t count_bitmap(std::span<std::uint64_t> shared) noexcept {
  std::size_t ones = 0;
  for (std::uint64_t& entry : shared) {
    std::atomic_ref<std::uint64_t> word{entry};
    ones += std::popcount(word.load(std::memory_order_relaxed));
  }
  return ones;
}

void find_populated(int fd, std::size_t page_count, Bitmap out) {
  const auto end = static_cast<off_t>(page_count * kPageBytes);
  for (off_t at = 0; at < end;) {
    const off_t data = lseek(fd, at, SEEK_DATA);
    if (data < 0) {
      if (errno == ENXIO) return;
      fail("lseek SEEK_DATA");
    }
    const off_t hole = lseek(fd, data, SEEK_HOLE);
    if (hole < 0) fail("lseek SEEK_HOLE");
    set_bits(out, data / kPageBytes, (hole + kPageBytes - 1) / kPageBytes);
    at = hole;
  }
}

}  // namespace xenferry::host
