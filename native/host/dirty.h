// Which pages of another process were written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace xenferry::host {

// One bit a page; see src/base/units.ts, bitmapBytes.
using Bitmap = std::span<std::uint64_t>;

struct TrackedRange {
  int pagemap_fd;
  std::uint64_t address;
  std::size_t page_count;
};

enum class ScanMode { kPeek, kClean };

// Sets the bits of pages written since the last clean (others are left) and returns how many there
// are; with kClean also re-arms the write protection, page by page, atomically with the reading.
// Throws std::system_error.
std::size_t scan_written(const TrackedRange& range, ScanMode mode, Bitmap out);

// Adds a shared bitmap, which the guest marks, to `out` and clears it; returns its ones.
std::size_t exchange_bitmap(std::span<std::uint64_t> shared, Bitmap out) noexcept;

// Counts the ones of a shared bitmap.
std::size_t count_bitmap(std::span<std::uint64_t> shared) noexcept;

// Sets the bits of pages of `fd` that are not holes (others are left). Throws std::system_error.
void find_populated(int fd, std::size_t page_count, Bitmap out);

}  // namespace xenferry::host
