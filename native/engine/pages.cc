#include "pages.h"

#include <cstring>

namespace xenferry::engine {
namespace {

// Calls `copy(first index, page count)` for each run of neighbouring, rising page indexes.
template <typename Copy>
void for_each_run(PageIndexes indexes, Copy copy) {
  std::size_t first = 0;
  for (std::size_t at = 1; at <= indexes.size(); ++at) {
    if (at == indexes.size() || indexes[at] != indexes[at - 1] + 1) {
      copy(first, at - first);
      first = at;
    }
  }
}

bool is_zero_page(const std::byte* page) {
  constexpr std::size_t kBlockWords = 8;
  for (std::size_t at = 0; at < kPageBytes; at += kBlockWords * sizeof(std::uint64_t)) {
    std::uint64_t words[kBlockWords];
    std::memcpy(words, page + at, sizeof words);
    std::uint64_t any = 0;
    for (const std::uint64_t word : words) any |= word;
    if (any != 0) return false;
  }
  return true;
}

}  // namespace

std::size_t find_zero_pages_portable(Bytes window, PageIndexes indexes,
                                     std::span<std::uint8_t> out_is_zero) noexcept {
  std::size_t zeros = 0;
  for (std::size_t at = 0; at < indexes.size(); ++at) {
    const bool is_zero = is_zero_page(window.data() + std::size_t{indexes[at]} * kPageBytes);
    out_is_zero[at] = is_zero;
    zeros += is_zero;
  }
  return zeros;
}

std::size_t gather_pages(Bytes window, PageIndexes indexes, std::span<std::byte> out) noexcept {
  for_each_run(indexes, [&](std::size_t first, std::size_t page_count) {
    std::memcpy(out.data() + first * kPageBytes,
                window.data() + std::size_t{indexes[first]} * kPageBytes, page_count * kPageBytes);
  });
  return indexes.size();
}

std::size_t scatter_pages(Bytes pages, PageIndexes indexes, std::span<std::byte> window) noexcept {
  for_each_run(indexes, [&](std::size_t first, std::size_t page_count) {
    std::memcpy(window.data() + std::size_t{indexes[first]} * kPageBytes,
                pages.data() + first * kPageBytes, page_count * kPageBytes);
  });
  return indexes.size();
}

std::size_t compare_pages(Bytes window, PageIndexes indexes, Bytes pages,
                          std::span<std::uint8_t> out_differs) noexcept {
  std::size_t different = 0;
  for (std::size_t at = 0; at < indexes.size(); ++at) {
    const bool differs = std::memcmp(window.data() + std::size_t{indexes[at]} * kPageBytes,
                                     pages.data() + at * kPageBytes, kPageBytes) != 0;
    out_differs[at] = differs;
    different += differs;
  }
  return different;
}

}  // namespace xenferry::engine
