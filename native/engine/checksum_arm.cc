#include "checksum.h"

#if defined(XENFERRY_ARM64)
#include <arm_acle.h>
#include <arm_neon.h>

namespace xenferry::engine::armv8 {
namespace {

XENFERRY_ARM_CRC inline std::uint64_t product(std::uint32_t crc, std::uint32_t constant) noexcept {
  const poly128_t wide = vmull_p64(static_cast<poly64_t>(crc), static_cast<poly64_t>(constant));
  return vgetq_lane_u64(vreinterpretq_u64_p128(wide), 0);
}

XENFERRY_ARM_CRC inline std::uint32_t checksum_page(const std::uint8_t* page) noexcept {
  std::uint32_t first = 0xffff'ffff;
  std::uint32_t second = 0;
  std::uint32_t third = 0;
  for (std::size_t at = 0; at < kCrcRunBytes; at += 8) {
    first = __crc32cd(first, load_u64(page + at));
    second = __crc32cd(second, load_u64(page + kCrcRunBytes + at));
    third = __crc32cd(third, load_u64(page + 2 * kCrcRunBytes + at));
  }
  const std::uint64_t moved = product(first, kOverTwoRuns) ^ product(second, kOverOneRun);
  std::uint32_t crc = __crc32cd(0, moved) ^ third;
  for (std::size_t at = 3 * kCrcRunBytes; at < kPageBytes; at += 8) {
    crc = __crc32cd(crc, load_u64(page + at));
  }
  return ~crc;
}

}  // namespace

XENFERRY_ARM_CRC std::size_t checksum_pages(ConstBytes window, ConstWords page_indexes,
                                            Words out_crcs) noexcept {
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    prefetch_page(window, page_indexes, entry);
    const std::size_t page_index = page_indexes[entry];
    out_crcs[entry] = checksum_page(window.data() + page_index * kPageBytes);
  }
  return page_indexes.size();
}

}  // namespace xenferry::engine::armv8
#endif
