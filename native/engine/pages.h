// Whole pages. Contract: PageEngine. Twins: asm/pages.ts, src/engine/reference/pages.ts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace xenferry::engine {

inline constexpr std::size_t kPageBytes = 4096;

using Bytes = std::span<const std::byte>;
using PageIndexes = std::span<const std::uint32_t>;

using FindZeroPages = std::size_t (*)(Bytes window, PageIndexes indexes,
                                      std::span<std::uint8_t> out_is_zero) noexcept;

std::size_t find_zero_pages_portable(Bytes window, PageIndexes indexes,
                                     std::span<std::uint8_t> out_is_zero) noexcept;
#ifdef __x86_64__
std::size_t find_zero_pages_avx2(Bytes window, PageIndexes indexes,
                                 std::span<std::uint8_t> out_is_zero) noexcept;
#endif

// The C library's copy and compare are at the memory's speed already; neighbours go together.
std::size_t gather_pages(Bytes window, PageIndexes indexes, std::span<std::byte> out) noexcept;
std::size_t scatter_pages(Bytes pages, PageIndexes indexes, std::span<std::byte> window) noexcept;
std::size_t compare_pages(Bytes window, PageIndexes indexes, Bytes pages,
                          std::span<std::uint8_t> out_differs) noexcept;

}  // namespace xenferry::engine
