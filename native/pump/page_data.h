#pragma once

#include <cstddef>
#include <cstdint>

#include "../engine/types.h"

namespace xenferry::pump {

// Record types. Source: src/format/libxc.ts, src/format/own.ts, src/format/page-alignment.ts.
inline constexpr std::uint32_t kPageDataType = 1;
// Room before a PAGE_DATA, so that its pages lie at multiples of the page size in a file.
inline constexpr std::uint32_t kPageAlignmentType = 0x8044'4150;
// A PAGE_DATA whose pages are packed: between two of us only, where both said that they can. Behind
// the pfn words come, for each 64 of the pages with data, four octets of length and so many octets:
// a zstd frame, or the pages as they are where those are as many octets as the pages.
inline constexpr std::uint32_t kPageDataZstdType = 0x0058'4601;
inline constexpr std::size_t kPackPages = 64;
inline constexpr std::size_t kPackBytesMax = kPackPages * engine::kPageBytes;
inline constexpr std::size_t kPackHeadBytes = 4;

// Header of a record. Source: libxc-migration-stream.pandoc, "Records".
struct RecordHeader {
  std::uint32_t type;
  std::uint32_t body_bytes;
};
static_assert(sizeof(RecordHeader) == 8);

inline constexpr std::size_t kRecordAlignBytes = 8;

// Zeros that follow a body of so many octets.
constexpr std::size_t padding_of(std::uint64_t body_bytes) {
  return static_cast<std::size_t>(-body_bytes % kRecordAlignBytes);
}

}  // namespace xenferry::pump
