#include "bitmap.h"

#include "bitmap_inl.h"

namespace xenferry::engine {

std::size_t scan_bitmap_portable(BitmapBytes bitmap, std::size_t first_bit,
                                 std::span<std::uint32_t> out_pfns) noexcept {
  const std::size_t word_count = bitmap.size() / kWordBytes;
  const auto first_set = [bitmap, word_count](std::size_t index) {
    while (index < word_count && word_at(bitmap.data(), index) == 0) ++index;
    return index;
  };
  return scan_words(bitmap, first_bit, out_pfns, first_set);
}

std::size_t count_bitmap_portable(BitmapBytes bitmap) noexcept { return count_words(bitmap); }

std::size_t or_bitmap_portable(std::span<std::byte> into, BitmapBytes from) noexcept {
  return or_words(into, from);
}

}  // namespace xenferry::engine
