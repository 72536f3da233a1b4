#pragma once

#include "types.h"

// Contract: PageOperations.digestPages in src/engine/types.ts.
// Twins: asm/digest.ts, src/engine/reference/digest.ts.
// Each of `page_indexes` is a page of `window`; `key` has kDigestKeyBytes, `out_digests` room for
// the whole list.
namespace xenferry::engine {

using DigestPages = std::size_t(ConstBytes window, ConstWords page_indexes, ConstBytes key,
                                Bytes out_digests) noexcept;

// Toeplitz iterations, each with the key four words (a granule) further on.
inline constexpr std::size_t kDigestIterations = 4;
inline constexpr std::size_t kDigestBytes = kDigestIterations * 8;
inline constexpr std::size_t kGranuleBytes = 16;
inline constexpr std::size_t kDigestKeyBytes = kPageBytes + (kDigestIterations - 1) * kGranuleBytes;

// A key's granules of even and of odd number. NH multiplies the words of a page's granule 2n by
// those of granule 2n + 1; so vectors of one are multiplied by vectors of the other.
struct SplitKey {
  static constexpr std::size_t kGranules = kDigestKeyBytes / kGranuleBytes;

  alignas(64) std::uint8_t even[(kGranules + 1) / 2 * kGranuleBytes];
  alignas(64) std::uint8_t odd[kGranules / 2 * kGranuleBytes];

  explicit SplitKey(ConstBytes key) noexcept {
    for (std::size_t granule = 0; granule < kGranules; ++granule) {
      std::uint8_t* half = granule % 2 == 0 ? even : odd;
      std::memcpy(half + granule / 2 * kGranuleBytes, key.data() + granule * kGranuleBytes,
                  kGranuleBytes);
    }
  }
};

namespace portable {
DigestPages digest_pages;
}  // namespace portable

#if defined(XENFERRY_X86)
namespace avx2 {
XENFERRY_AVX2 DigestPages digest_pages;
}  // namespace avx2

namespace avx512 {
XENFERRY_AVX512 DigestPages digest_pages;
}  // namespace avx512
#endif

}  // namespace xenferry::engine
