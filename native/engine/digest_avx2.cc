#include "digest.h"

#if defined(XENFERRY_X86)
#include <immintrin.h>

#include <algorithm>

namespace xenferry::engine::avx2 {
namespace {

constexpr std::size_t kVectorBytes = 32;
static_assert(kPageBytes % (2 * kVectorBytes) == 0);

XENFERRY_AVX2 inline __m256i load_vector(const std::uint8_t* from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// `sum` plus the products of the eight words of two vectors, after the key's have been added.
XENFERRY_AVX2 inline __m256i add_products(__m256i sum, __m256i even, const std::uint8_t* even_key,
                                          __m256i odd, const std::uint8_t* odd_key) noexcept {
  const __m256i a = _mm256_add_epi32(even, load_vector(even_key));
  const __m256i b = _mm256_add_epi32(odd, load_vector(odd_key));
  const __m256i upper =
      _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_shuffle_epi32(b, _MM_SHUFFLE(3, 3, 1, 1)));
  return _mm256_add_epi64(sum, _mm256_add_epi64(_mm256_mul_epu32(a, b), upper));
}

// Meanwhile the page that is next is fetched, into the second cache: so much is done with each
// vector that the CPU does not look far ahead by itself.
XENFERRY_AVX2 inline void digest_page(const std::uint8_t* page, const std::uint8_t* next_page,
                                      const SplitKey& key, std::uint8_t* out) noexcept {
  __m256i sums[kDigestIterations] = {};
  for (std::size_t at = 0; at < kPageBytes; at += 2 * kVectorBytes) {
    __builtin_prefetch(next_page + at, 0, 2);
    const __m256i first = load_vector(page + at);
    const __m256i second = load_vector(page + at + kVectorBytes);
    const __m256i even = _mm256_permute2x128_si256(first, second, 0x20);
    const __m256i odd = _mm256_permute2x128_si256(first, second, 0x31);
    const std::uint8_t* even_key = key.even + at / 2;
    const std::uint8_t* odd_key = key.odd + at / 2;
    sums[0] = add_products(sums[0], even, even_key, odd, odd_key);
    sums[1] = add_products(sums[1], even, odd_key, odd, even_key + kGranuleBytes);
    sums[2] = add_products(sums[2], even, even_key + kGranuleBytes, odd, odd_key + kGranuleBytes);
    sums[3] =
        add_products(sums[3], even, odd_key + kGranuleBytes, odd, even_key + 2 * kGranuleBytes);
  }
  for (std::size_t iteration = 0; iteration < kDigestIterations; ++iteration) {
    alignas(kVectorBytes) std::uint64_t parts[4];
    _mm256_store_si256(reinterpret_cast<__m256i*>(parts), sums[iteration]);
    const std::uint64_t hash = parts[0] + parts[1] + parts[2] + parts[3];
    store_u64(out + iteration * sizeof hash, hash);
  }
}

}  // namespace

XENFERRY_AVX2 std::size_t digest_pages(ConstBytes window, ConstWords page_indexes, ConstBytes key,
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

}  // namespace xenferry::engine::avx2
#endif
