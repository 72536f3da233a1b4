#include "avx512.h"
#include "pages.h"

#if defined(XENFERRY_X86)
namespace xenferry::engine::avx512 {
namespace {

constexpr std::size_t kVectorBytes = 64;
constexpr std::size_t kBlockBytes = 4 * kVectorBytes;

XENFERRY_AVX512 inline __m512i load_vector(const std::uint8_t* from) noexcept {
  return _mm512_loadu_si512(from);
}

XENFERRY_AVX512 inline bool is_any_set(__m512i a, __m512i b, __m512i c, __m512i d) noexcept {
  const __m512i all = _mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d));
  return _mm512_test_epi64_mask(all, all) != 0;
}

// The difference of the vectors at `from` and `other`.
XENFERRY_AVX512 inline __m512i difference(const std::uint8_t* from,
                                          const std::uint8_t* other) noexcept {
  return _mm512_xor_si512(load_vector(from), load_vector(other));
}

XENFERRY_AVX512 inline bool is_zero_page(const std::uint8_t* page) noexcept {
  for (const std::uint8_t* at = page; at != page + kPageBytes; at += kBlockBytes) {
    if (is_any_set(load_vector(at), load_vector(at + kVectorBytes),
                   load_vector(at + 2 * kVectorBytes), load_vector(at + 3 * kVectorBytes))) {
      return false;
    }
  }
  return true;
}

XENFERRY_AVX512 inline bool page_differs(const std::uint8_t* page,
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

XENFERRY_AVX512 std::size_t find_zero_pages(ConstBytes window, ConstWords page_indexes,
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

XENFERRY_AVX512 std::size_t compare_pages(ConstBytes window, ConstWords page_indexes,
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

}  // namespace xenferry::engine::avx512
#endif
