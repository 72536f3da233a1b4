#pragma once

#include <array>

#include "types.h"

// Contract: PageOperations.checksumPages in src/engine/types.ts.
// Twins: asm/checksum.ts, src/engine/reference/checksum.ts.
// Each of `page_indexes` is a page of `window`; `out_crcs` has room for the whole list.
namespace xenferry::engine {

using ChecksumPages = std::size_t(ConstBytes window, ConstWords page_indexes,
                                  Words out_crcs) noexcept;

inline constexpr std::uint32_t kCrcPolynomialReflected = 0x82f63b78;

// x^exponent modulo the polynomial, reflected: bit 31 is x^0.
constexpr std::uint32_t power_of_x(unsigned exponent) noexcept {
  std::uint32_t power = 0x8000'0000;
  for (; exponent != 0; --exponent) {
    power = power >> 1 ^ ((power & 1) != 0 ? kCrcPolynomialReflected : 0);
  }
  return power;
}

// A page as three runs of equal length, which the CPU's CRC instruction takes side by side to hide
// its latency, and a rest.
inline constexpr std::size_t kCrcRunBytes = 1360;
inline constexpr std::size_t kCrcRestBytes = kPageBytes - 3 * kCrcRunBytes;
static_assert(kCrcRunBytes % 8 == 0 && kCrcRestBytes % 8 == 0);

// Moves a remainder over the runs that follow it: the carry-less product with the constant, put
// through the CRC of eight bytes. That multiplies by x^33 too: 32 for the CRC, one for the
// reflected product.
inline constexpr std::uint32_t kOverTwoRuns = power_of_x(2 * kCrcRunBytes * 8 - 33);
inline constexpr std::uint32_t kOverOneRun = power_of_x(kCrcRunBytes * 8 - 33);

namespace portable {
ChecksumPages checksum_pages;
}  // namespace portable

#if defined(XENFERRY_X86)
namespace sse42 {
XENFERRY_SSE42 ChecksumPages checksum_pages;
}  // namespace sse42

namespace avx512 {
XENFERRY_AVX512 ChecksumPages checksum_pages;
}  // namespace avx512
#endif

#if defined(XENFERRY_ARM64)
namespace armv8 {
XENFERRY_ARM_CRC ChecksumPages checksum_pages;
}  // namespace armv8
#endif

}  // namespace xenferry::engine
