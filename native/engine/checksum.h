// CRC32C of pages. Contract: PageEngine. Twins: asm/checksum.ts, src/engine/reference/checksum.ts.
#pragma once

#include "pages.h"

namespace xenferry::engine {

using ChecksumPages = std::size_t (*)(Bytes window, PageIndexes indexes,
                                      std::span<std::uint32_t> out_crcs) noexcept;

std::size_t checksum_pages_portable(Bytes window, PageIndexes indexes,
                                    std::span<std::uint32_t> out_crcs) noexcept;
#if defined(__x86_64__)
// Needs SSE4.2.
std::size_t checksum_pages_sse42(Bytes window, PageIndexes indexes,
                                 std::span<std::uint32_t> out_crcs) noexcept;
#elif defined(__aarch64__)
// Needs the CRC32 instructions.
std::size_t checksum_pages_armv8(Bytes window, PageIndexes indexes,
                                 std::span<std::uint32_t> out_crcs) noexcept;
#endif

}  // namespace xenferry::engine
