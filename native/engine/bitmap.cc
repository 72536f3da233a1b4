#include "bitmap.h"

namespace xenferry::engine::portable {

std::size_t scan_bitmap(ConstBytes bitmap, std::uint64_t first_pfn, Words out_pfns) noexcept {
  const std::size_t word_count = bitmap.size() / kWordBytes;
  std::uint32_t* out = out_pfns.data();
  const std::uint32_t* const out_end = out + out_pfns.size();
  std::uint64_t mask = ~std::uint64_t{0} << (first_pfn % kWordBits);
  for (std::uint64_t index = first_pfn / kWordBits; index < word_count && out != out_end; ++index) {
    const std::uint64_t word = load_u64(bitmap.data() + index * kWordBytes) & mask;
    mask = ~std::uint64_t{0};
    out = scan_word(word, static_cast<std::uint32_t>(index * kWordBits), out, out_end);
  }
  return static_cast<std::size_t>(out - out_pfns.data());
}

std::uint64_t count_bitmap(ConstBytes bitmap) noexcept {
  std::uint64_t set_bits = 0;
  for (std::size_t at = 0; at < bitmap.size(); at += kWordBytes) {
    set_bits += static_cast<std::uint64_t>(std::popcount(load_u64(bitmap.data() + at)));
  }
  return set_bits;
}

std::uint64_t or_bitmap(Bytes into, ConstBytes from) noexcept {
  std::uint64_t set_bits = 0;
  for (std::size_t at = 0; at < into.size(); at += kWordBytes) {
    const std::uint64_t word = load_u64(into.data() + at) | load_u64(from.data() + at);
    store_u64(into.data() + at, word);
    set_bits += static_cast<std::uint64_t>(std::popcount(word));
  }
  return set_bits;
}

}  // namespace xenferry::engine::portable

#if defined(XENFERRY_X86)
namespace xenferry::engine::popcnt {

XENFERRY_POPCNT std::uint64_t count_bitmap(ConstBytes bitmap) noexcept {
  std::uint64_t set_bits = 0;
  for (std::size_t at = 0; at < bitmap.size(); at += kWordBytes) {
    set_bits += static_cast<std::uint64_t>(__builtin_popcountll(load_u64(bitmap.data() + at)));
  }
  return set_bits;
}

XENFERRY_POPCNT std::uint64_t or_bitmap(Bytes into, ConstBytes from) noexcept {
  std::uint64_t set_bits = 0;
  for (std::size_t at = 0; at < into.size(); at += kWordBytes) {
    const std::uint64_t word = load_u64(into.data() + at) | load_u64(from.data() + at);
    store_u64(into.data() + at, word);
    set_bits += static_cast<std::uint64_t>(__builtin_popcountll(word));
  }
  return set_bits;
}

}  // namespace xenferry::engine::popcnt
#endif
