// Bodies that each instruction set compiles for itself.
#pragma once

#include <bit>
#include <cstring>

#include "bitmap.h"

namespace xenferry::engine {

inline constexpr std::size_t kWordBytes = sizeof(std::uint64_t);

[[gnu::always_inline]] inline std::uint64_t word_at(const std::byte* bytes, std::size_t index) {
  std::uint64_t word;
  std::memcpy(&word, bytes + index * kWordBytes, kWordBytes);
  return word;
}

// Writes the set bits of one word; false when `out_pfns` is full before all are written.
[[gnu::always_inline]] inline bool emit_word(std::uint64_t word, std::size_t index,
                                             std::span<std::uint32_t> out_pfns,
                                             std::size_t& written) {
  const auto base = static_cast<std::uint32_t>(index * 64);
  for (; word != 0; word &= word - 1) {
    if (written == out_pfns.size()) return false;
    out_pfns[written++] = base + static_cast<std::uint32_t>(std::countr_zero(word));
  }
  return true;
}

// Scans with `first_set(index)`, which finds the next word that is not zero at or after `index`.
template <typename FirstSet>
[[gnu::always_inline]] inline std::size_t scan_words(BitmapBytes bitmap, std::size_t first_bit,
                                                     std::span<std::uint32_t> out_pfns,
                                                     FirstSet first_set) {
  const std::size_t word_count = bitmap.size() / kWordBytes;
  std::size_t index = first_bit / 64;
  std::size_t written = 0;
  if (index >= word_count || out_pfns.empty()) return 0;
  const std::uint64_t head =
      word_at(bitmap.data(), index) & (~std::uint64_t{0} << (first_bit % 64));
  if (!emit_word(head, index, out_pfns, written)) return written;
  for (index = first_set(index + 1); index < word_count; index = first_set(index + 1)) {
    if (!emit_word(word_at(bitmap.data(), index), index, out_pfns, written)) return written;
  }
  return written;
}

[[gnu::always_inline]] inline std::size_t count_words(BitmapBytes bitmap) {
  std::size_t ones = 0;
  for (std::size_t index = 0; index < bitmap.size() / kWordBytes; ++index) {
    ones += std::popcount(word_at(bitmap.data(), index));
  }
  return ones;
}

[[gnu::always_inline]] inline std::size_t or_words(std::span<std::byte> into, BitmapBytes from) {
  std::size_t ones = 0;
  for (std::size_t index = 0; index < into.size() / kWordBytes; ++index) {
    const std::uint64_t word = word_at(into.data(), index) | word_at(from.data(), index);
    std::memcpy(into.data() + index * kWordBytes, &word, kWordBytes);
    ones += std::popcount(word);
  }
  return ones;
}

}  // namespace xenferry::engine
