#include "checksum.h"

#if defined(XENFERRY_X86)
#include <immintrin.h>

#include <algorithm>

namespace xenferry::engine::sse42 {
namespace {

XENFERRY_SSE42 inline std::uint64_t product(std::uint64_t crc, std::uint32_t constant) noexcept {
  const __m128i factor = _mm_cvtsi64_si128(static_cast<long long>(crc));
  const __m128i other = _mm_cvtsi64_si128(static_cast<long long>(constant));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(factor, other, 0)));
}

// Three runs in one page are too short for hardware to foresee, so meanwhile the page that is next
// is fetched, evenly spread: three times the bytes that each run takes.
XENFERRY_SSE42 inline std::uint32_t checksum_page(const std::uint8_t* page,
                                                  const std::uint8_t* next_page) noexcept {
  std::uint64_t first = 0xffff'ffff;
  std::uint64_t second = 0;
  std::uint64_t third = 0;
  for (std::size_t at = 0; at < kCrcRunBytes; at += 8) {
    __builtin_prefetch(next_page + 3 * at);
    first = _mm_crc32_u64(first, load_u64(page + at));
    second = _mm_crc32_u64(second, load_u64(page + kCrcRunBytes + at));
    third = _mm_crc32_u64(third, load_u64(page + 2 * kCrcRunBytes + at));
  }
  const std::uint64_t moved = product(first, kOverTwoRuns) ^ product(second, kOverOneRun);
  std::uint64_t crc = _mm_crc32_u64(0, moved) ^ third;
  for (std::size_t at = 3 * kCrcRunBytes; at < kPageBytes; at += 8) {
    crc = _mm_crc32_u64(crc, load_u64(page + at));
  }
  return ~static_cast<std::uint32_t>(crc);
}

}  // namespace

XENFERRY_SSE42 std::size_t checksum_pages(ConstBytes window, ConstWords page_indexes,
                                          Words out_crcs) noexcept {
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    const std::size_t page_index = page_indexes[entry];
    const std::size_t next_index = page_indexes[std::min(entry + 1, page_indexes.size() - 1)];
    out_crcs[entry] = checksum_page(window.data() + page_index * kPageBytes,
                                    window.data() + next_index * kPageBytes);
  }
  return page_indexes.size();
}

}  // namespace xenferry::engine::sse42
#endif
