// The CPU's own CRC32C instruction, which takes three cycles and can start one each cycle: so
// several pages are folded at once, each with its own remainder.
#if defined(__x86_64__)
#pragma GCC push_options
#pragma GCC target("sse4.2")
#include <nmmintrin.h>
#define XENFERRY_CRC32(crc, word) _mm_crc32_u64(crc, word)
#elif defined(__aarch64__)
#pragma GCC push_options
#pragma GCC target("+crc")
#include <arm_acle.h>
#define XENFERRY_CRC32(crc, word) __crc32cd(static_cast<std::uint32_t>(crc), word)
#endif

#ifdef XENFERRY_CRC32
#include <array>
#include <cstring>

#include "checksum.h"

namespace xenferry::engine {
namespace {

constexpr std::size_t kPagesAtOnce = 4;

template <std::size_t Count>
void checksum_some(Bytes window, const std::uint32_t* indexes, std::uint32_t* out_crcs) {
  std::array<const std::byte*, Count> pages;
  std::array<std::uint64_t, Count> crcs;
  for (std::size_t page = 0; page < Count; ++page) {
    pages[page] = window.data() + std::size_t{indexes[page]} * kPageBytes;
    crcs[page] = 0xffffffff;
  }
  for (std::size_t at = 0; at < kPageBytes; at += sizeof(std::uint64_t)) {
    for (std::size_t page = 0; page < Count; ++page) {
      std::uint64_t word;
      std::memcpy(&word, pages[page] + at, sizeof word);
      crcs[page] = XENFERRY_CRC32(crcs[page], word);
    }
  }
  for (std::size_t page = 0; page < Count; ++page) {
    out_crcs[page] = static_cast<std::uint32_t>(crcs[page]) ^ 0xffffffff;
  }
}

std::size_t checksum_all(Bytes window, PageIndexes indexes, std::span<std::uint32_t> out_crcs) {
  std::size_t at = 0;
  for (; at + kPagesAtOnce <= indexes.size(); at += kPagesAtOnce) {
    checksum_some<kPagesAtOnce>(window, &indexes[at], &out_crcs[at]);
  }
  for (; at < indexes.size(); ++at) checksum_some<1>(window, &indexes[at], &out_crcs[at]);
  return indexes.size();
}

}  // namespace

#if defined(__x86_64__)
std::size_t checksum_pages_sse42(Bytes window, PageIndexes indexes,
                                 std::span<std::uint32_t> out_crcs) noexcept {
  return checksum_all(window, indexes, out_crcs);
}
#else
std::size_t checksum_pages_armv8(Bytes window, PageIndexes indexes,
                                 std::span<std::uint32_t> out_crcs) noexcept {
  return checksum_all(window, indexes, out_crcs);
}
#endif

}  // namespace xenferry::engine

#pragma GCC pop_options
#endif
