#pragma once

#include "types.h"

// Contracts: PageOperations.scanBitmap, countBitmap, orBitmap in src/engine/types.ts.
// Twins: asm/bitmap.ts, src/engine/reference/bitmap.ts.
// Lengths are multiples of 8 and at most 2^29 bytes; `into` and `from` have the same length.
namespace xenferry::engine {

using ScanBitmap = std::size_t(ConstBytes bitmap, std::uint64_t first_pfn, Words out_pfns) noexcept;
using CountBitmap = std::uint64_t(ConstBytes bitmap) noexcept;
using OrBitmap = std::uint64_t(Bytes into, ConstBytes from) noexcept;

inline constexpr std::size_t kWordBytes = 8;
inline constexpr std::size_t kWordBits = 64;

// Writes the set bits of `word`, counted from `base_pfn`, until `out` meets `out_end`.
inline std::uint32_t* scan_word(std::uint64_t word, std::uint32_t base_pfn, std::uint32_t* out,
                                const std::uint32_t* out_end) noexcept {
  for (; word != 0 && out != out_end; word &= word - 1) {
    *out++ = base_pfn + static_cast<std::uint32_t>(std::countr_zero(word));
  }
  return out;
}

namespace portable {
ScanBitmap scan_bitmap;
CountBitmap count_bitmap;
OrBitmap or_bitmap;
}  // namespace portable

#if defined(XENFERRY_X86)
namespace popcnt {
XENFERRY_POPCNT CountBitmap count_bitmap;
XENFERRY_POPCNT OrBitmap or_bitmap;
}  // namespace popcnt

namespace avx2 {
XENFERRY_AVX2 ScanBitmap scan_bitmap;
XENFERRY_AVX2 CountBitmap count_bitmap;
XENFERRY_AVX2 OrBitmap or_bitmap;
}  // namespace avx2

namespace avx512 {
XENFERRY_AVX512 ScanBitmap scan_bitmap;
XENFERRY_AVX512 CountBitmap count_bitmap;
XENFERRY_AVX512 OrBitmap or_bitmap;
}  // namespace avx512
#endif

}  // namespace xenferry::engine
