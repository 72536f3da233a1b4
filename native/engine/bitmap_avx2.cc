#ifdef __x86_64__
#pragma GCC push_options
#pragma GCC target("avx2,bmi,popcnt")

#include <immintrin.h>

#include "bitmap.h"
#include "bitmap_inl.h"

namespace xenferry::engine {

// Clean stretches are skipped 128 octets at a time.
std::size_t scan_bitmap_avx2(BitmapBytes bitmap, std::size_t first_bit,
                             std::span<std::uint32_t> out_pfns) noexcept {
  constexpr std::size_t kBlockWords = 16;
  const std::size_t word_count = bitmap.size() / kWordBytes;
  const auto first_set = [bitmap, word_count](std::size_t index) {
    while (index + kBlockWords <= word_count) {
      const auto* at = reinterpret_cast<const __m256i*>(bitmap.data() + index * kWordBytes);
      const __m256i low = _mm256_or_si256(_mm256_loadu_si256(at), _mm256_loadu_si256(at + 1));
      const __m256i high = _mm256_or_si256(_mm256_loadu_si256(at + 2), _mm256_loadu_si256(at + 3));
      const __m256i all = _mm256_or_si256(low, high);
      if (!_mm256_testz_si256(all, all)) break;
      index += kBlockWords;
    }
    while (index < word_count && word_at(bitmap.data(), index) == 0) ++index;
    return index;
  };
  return scan_words(bitmap, first_bit, out_pfns, first_set);
}

std::size_t count_bitmap_avx2(BitmapBytes bitmap) noexcept { return count_words(bitmap); }

std::size_t or_bitmap_avx2(std::span<std::byte> into, BitmapBytes from) noexcept {
  return or_words(into, from);
}

}  // namespace xenferry::engine

#pragma GCC pop_options
#endif
