#include "avx512.h"
#include "digest.h"

#if defined(XENFERRY_X86)
#include <algorithm>

namespace xenferry::engine::avx512 {
namespace {

constexpr std::size_t kVectorBytes = 64;
static_assert(kPageBytes % (2 * kVectorBytes) == 0);

// `sum` plus the products of the sixteen words of two vectors, after the key's have been added.
XENFERRY_AVX512 inline __m512i add_products(__m512i sum, __m512i even, const std::uint8_t* even_key,
                                            __m512i odd, const std::uint8_t* odd_key) noexcept {
  const __m512i a = _mm512_add_epi32(even, _mm512_loadu_si512(even_key));
  const __m512i b = _mm512_add_epi32(odd, _mm512_loadu_si512(odd_key));
  const __m512i upper =
      _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_shuffle_epi32(b, _MM_PERM_DDBB));
  return _mm512_add_epi64(sum, _mm512_add_epi64(_mm512_mul_epu32(a, b), upper));
}

// Meanwhile the page that is next is fetched, into the second cache: so much is done with each
// vector that the CPU does not look far ahead by itself.
XENFERRY_AVX512 inline void digest_page(const std::uint8_t* page, const std::uint8_t* next_page,
                                        const SplitKey& key, std::uint8_t* out) noexcept {
  __m512i sums[kDigestIterations] = {};
  for (std::size_t at = 0; at < kPageBytes; at += 2 * kVectorBytes) {
    __builtin_prefetch(next_page + at, 0, 2);
    __builtin_prefetch(next_page + at + kVectorBytes, 0, 2);
    const __m512i first = _mm512_loadu_si512(page + at);
    const __m512i second = _mm512_loadu_si512(page + at + kVectorBytes);
    // Lanes 0 and 2, and lanes 1 and 3, of both.
    const __m512i even = _mm512_shuffle_i64x2(first, second, 0x88);
    const __m512i odd = _mm512_shuffle_i64x2(first, second, 0xdd);
    const std::uint8_t* even_key = key.even + at / 2;
    const std::uint8_t* odd_key = key.odd + at / 2;
    sums[0] = add_products(sums[0], even, even_key, odd, odd_key);
    sums[1] = add_products(sums[1], even, odd_key, odd, even_key + kGranuleBytes);
    sums[2] = add_products(sums[2], even, even_key + kGranuleBytes, odd, odd_key + kGranuleBytes);
    sums[3] =
        add_products(sums[3], even, odd_key + kGranuleBytes, odd, even_key + 2 * kGranuleBytes);
  }
  for (std::size_t iteration = 0; iteration < kDigestIterations; ++iteration) {
    const auto hash = static_cast<std::uint64_t>(_mm512_reduce_add_epi64(sums[iteration]));
    store_u64(out + iteration * sizeof hash, hash);
  }
}

}  // namespace

XENFERRY_AVX512 std::size_t digest_pages(ConstBytes window, ConstWords page_indexes, ConstBytes key,
                                         Bytes out_digests) noexcept {
  const SplitKey split_key(key);
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    const std::size_t page_index = page_indexes[entry];
    const std::size_t next_index = page_indexes[std::min(entry + 1, page_indexes.size() - 1)];
    digest_page(window.data() + page_index * kPageBytes, window.data() + next_index * kPageBytes,
                split_key, out_digests.data() + entry * kDigestBytes);
  }
  return page_indexes.size();
}

}  // namespace xenferry::engine::avx512
#endif
