#include "pages.h"

#if defined(XENFERRY_X86)
#include <immintrin.h>

namespace xenferry::engine::avx2 {
namespace {

constexpr std::size_t kVectorBytes = 32;
constexpr std::size_t kBlockBytes = 4 * kVectorBytes;

XENFERRY_AVX2 inline __m256i load_vector(const std::uint8_t* from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

XENFERRY_AVX2 inline bool is_any_set(__m256i a, __m256i b, __m256i c, __m256i d) noexcept {
  const __m256i all = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
  return _mm256_testz_si256(all, all) == 0;
}

// The difference of the vectors at `from` and `other`.
XENFERRY_AVX2 inline __m256i difference(const std::uint8_t* from,
                                        const std::uint8_t* other) noexcept {
  return _mm256_xor_si256(load_vector(from), load_vector(other));
}

XENFERRY_AVX2 inline bool is_zero_page(const std::uint8_t* page) noexcept {
  for (const std::uint8_t* at = page; at != page + kPageBytes; at += kBlockBytes) {
    if (is_any_set(load_vector(at), load_vector(at + kVectorBytes),
                   load_vector(at + 2 * kVectorBytes), load_vector(at + 3 * kVectorBytes))) {
      return false;
    }
  }
  return true;
}

XENFERRY_AVX2 inline bool page_differs(const std::uint8_t* page,
                                       const std::uint8_t* other) noexcept {
  for (std::size_t at = 0; at < kPageBytes; at += kBlockBytes) {
    const std::uint8_t* a = page + at;
    const std::uint8_t* b = other + at;
    if (is_any_set(difference(a, b), difference(a + kVectorBytes, b + kVectorBytes),
                   difference(a + 2 * kVectorBytes, b + 2 * kVectorBytes),
                   difference(a + 3 * kVectorBytes, b + 3 * kVectorBytes))) {
      return true;
    }
  }
  return false;
}

}  // namespace

XENFERRY_AVX2 std::size_t find_zero_pages(ConstBytes window, ConstWords page_indexes,
                                          Bytes out_is_zero) noexcept {
  std::size_t zero_pages = 0;
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    prefetch_page(window, page_indexes, entry);
    const std::size_t page_index = page_indexes[entry];
    const bool is_zero = is_zero_page(window.data() + page_index * kPageBytes);
    out_is_zero[entry] = is_zero;
    zero_pages += is_zero;
  }
  return zero_pages;
}

XENFERRY_AVX2 std::size_t compare_pages(ConstBytes window, ConstWords page_indexes,
                                        ConstBytes pages, Bytes out_differs) noexcept {
  std::size_t differing_pages = 0;
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    prefetch_page(window, page_indexes, entry);
    const std::size_t page_index = page_indexes[entry];
    const bool differs =
        page_differs(window.data() + page_index * kPageBytes, pages.data() + entry * kPageBytes);
    out_differs[entry] = differs;
    differing_pages += differs;
  }
  return differing_pages;
}

}  // namespace xenferry::engine::avx2
#endif
