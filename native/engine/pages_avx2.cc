#ifdef __x86_64__
#pragma GCC push_options
#pragma GCC target("avx2")

#include <immintrin.h>

#include "pages.h"

namespace xenferry::engine {
namespace {

bool is_zero_page(const std::byte* page) {
  constexpr std::size_t kBlockVectors = 8;
  const auto* vectors = reinterpret_cast<const __m256i*>(page);
  for (std::size_t at = 0; at < kPageBytes / sizeof(__m256i); at += kBlockVectors) {
    __m256i any = _mm256_loadu_si256(vectors + at);
    for (std::size_t next = 1; next < kBlockVectors; ++next) {
      any = _mm256_or_si256(any, _mm256_loadu_si256(vectors + at + next));
    }
    if (!_mm256_testz_si256(any, any)) return false;
  }
  return true;
}

}  // namespace

std::size_t find_zero_pages_avx2(Bytes window, PageIndexes indexes,
                                 std::span<std::uint8_t> out_is_zero) noexcept {
  std::size_t zeros = 0;
  for (std::size_t at = 0; at < indexes.size(); ++at) {
    const bool is_zero = is_zero_page(window.data() + std::size_t{indexes[at]} * kPageBytes);
    out_is_zero[at] = is_zero;
    zeros += is_zero;
  }
  return zeros;
}

}  // namespace xenferry::engine

#pragma GCC pop_options
#endif
