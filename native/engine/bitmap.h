// Dirty bitmaps. Contract: PageEngine. Twins: asm/bitmap.ts, src/engine/reference/bitmap.ts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace xenferry::engine {

// Words of a bitmap, of any alignment; bit n is bit n % 64 of word n / 64.
using BitmapBytes = std::span<const std::byte>;

using ScanBitmap = std::size_t (*)(BitmapBytes bitmap, std::size_t first_bit,
                                   std::span<std::uint32_t> out_pfns) noexcept;
using CountBitmap = std::size_t (*)(BitmapBytes bitmap) noexcept;
using OrBitmap = std::size_t (*)(std::span<std::byte> into, BitmapBytes from) noexcept;

std::size_t scan_bitmap_portable(BitmapBytes bitmap, std::size_t first_bit,
                                 std::span<std::uint32_t> out_pfns) noexcept;
std::size_t count_bitmap_portable(BitmapBytes bitmap) noexcept;
std::size_t or_bitmap_portable(std::span<std::byte> into, BitmapBytes from) noexcept;

#ifdef __x86_64__
// Needs AVX2, BMI1 and POPCNT.
std::size_t scan_bitmap_avx2(BitmapBytes bitmap, std::size_t first_bit,
                             std::span<std::uint32_t> out_pfns) noexcept;
std::size_t count_bitmap_avx2(BitmapBytes bitmap) noexcept;
std::size_t or_bitmap_avx2(std::span<std::byte> into, BitmapBytes from) noexcept;
#endif

}  // namespace xenferry::engine
