#include "avx512.h"
#include "checksum.h"

#if defined(XENFERRY_X86)
namespace xenferry::engine::avx512 {
namespace {

constexpr std::size_t kVectorBytes = 64;
constexpr std::size_t kBlockBytes = 4 * kVectorBytes;
static_assert(kPageBytes % kBlockBytes == 0);

// What the two halves of 128 bits are multiplied by to move them over `kBits` bits of message. A
// reflected product carries one x more, hence the 1 less; the low half is the one 64 bits ahead.
template <unsigned kBits>
struct Fold {
  static constexpr std::uint64_t kLow = std::uint64_t{power_of_x(kBits + 64 - 1)} << 32;
  static constexpr std::uint64_t kHigh = std::uint64_t{power_of_x(kBits - 1)} << 32;
};

template <unsigned kBits>
XENFERRY_AVX512 inline __m512i fold_constants() noexcept {
  return _mm512_broadcast_i32x4(_mm_set_epi64x(static_cast<long long>(Fold<kBits>::kHigh),
                                               static_cast<long long>(Fold<kBits>::kLow)));
}

// `sum` moved ahead by `constants`, plus `next`.
XENFERRY_AVX512 inline __m512i fold(__m512i sum, __m512i constants, __m512i next) noexcept {
  constexpr int kXorOfThree = 0x96;
  const __m512i low = _mm512_clmulepi64_epi128(sum, constants, 0x00);
  const __m512i high = _mm512_clmulepi64_epi128(sum, constants, 0x11);
  return _mm512_ternarylogic_epi64(low, high, next, kXorOfThree);
}

// The four 128-bit lanes as one: each but the last moves over the lanes behind it.
XENFERRY_AVX512 inline __m128i fold_lanes(__m512i sum) noexcept {
  const __m512i constants = _mm512_setr_epi64(
      static_cast<long long>(Fold<384>::kLow), static_cast<long long>(Fold<384>::kHigh),
      static_cast<long long>(Fold<256>::kLow), static_cast<long long>(Fold<256>::kHigh),
      static_cast<long long>(Fold<128>::kLow), static_cast<long long>(Fold<128>::kHigh), 0, 0);
  const __m512i last = _mm512_maskz_mov_epi64(0xc0, sum);
  const __m512i moved = fold(sum, constants, last);
  const __m256i halves =
      _mm256_xor_si256(_mm512_castsi512_si256(moved), _mm512_extracti64x4_epi64(moved, 1));
  return _mm_xor_si128(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
}

XENFERRY_AVX512 inline std::uint32_t checksum_page(const std::uint8_t* page) noexcept {
  const __m512i initial = _mm512_maskz_set1_epi32(1, -1);
  __m512i sum0 = _mm512_xor_si512(_mm512_loadu_si512(page), initial);
  __m512i sum1 = _mm512_loadu_si512(page + kVectorBytes);
  __m512i sum2 = _mm512_loadu_si512(page + 2 * kVectorBytes);
  __m512i sum3 = _mm512_loadu_si512(page + 3 * kVectorBytes);
  const __m512i over_block = fold_constants<kBlockBytes * 8>();
  for (std::size_t at = kBlockBytes; at < kPageBytes; at += kBlockBytes) {
    sum0 = fold(sum0, over_block, _mm512_loadu_si512(page + at));
    sum1 = fold(sum1, over_block, _mm512_loadu_si512(page + at + kVectorBytes));
    sum2 = fold(sum2, over_block, _mm512_loadu_si512(page + at + 2 * kVectorBytes));
    sum3 = fold(sum3, over_block, _mm512_loadu_si512(page + at + 3 * kVectorBytes));
  }
  const __m512i over_vector = fold_constants<kVectorBytes * 8>();
  const __m512i over_two_vectors = fold_constants<2 * kVectorBytes * 8>();
  const __m512i first_pair = fold(sum0, over_vector, sum1);
  const __m512i second_pair = fold(sum2, over_vector, sum3);
  const __m128i rest = fold_lanes(fold(first_pair, over_two_vectors, second_pair));
  const auto low = static_cast<std::uint64_t>(_mm_cvtsi128_si64(rest));
  const auto high = static_cast<std::uint64_t>(_mm_extract_epi64(rest, 1));
  return ~static_cast<std::uint32_t>(_mm_crc32_u64(_mm_crc32_u64(0, low), high));
}

}  // namespace

XENFERRY_AVX512 std::size_t checksum_pages(ConstBytes window, ConstWords page_indexes,
                                           Words out_crcs) noexcept {
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    prefetch_page(window, page_indexes, entry);
    const std::size_t page_index = page_indexes[entry];
    out_crcs[entry] = checksum_page(window.data() + page_index * kPageBytes);
  }
  return page_indexes.size();
}

}  // namespace xenferry::engine::avx512
#endif
