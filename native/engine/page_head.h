// Heads of PAGE_DATA. Contract: PageDataHeadCodec. Twins: asm/page-head.ts,
// src/engine/reference/page-head.ts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace xenferry::engine {

inline constexpr std::size_t kHeadBytes = 16;
inline constexpr std::size_t kPfnWordBytes = 8;

std::size_t encode_page_data_head(std::span<const std::uint32_t> pfns,
                                  std::span<const std::uint8_t> types,
                                  std::span<std::byte> out) noexcept;
std::size_t decode_page_data_head(std::span<const std::byte> words,
                                  std::span<std::uint32_t> out_pfns,
                                  std::span<std::uint8_t> out_types) noexcept;

}  // namespace xenferry::engine
