#pragma once

#include "types.h"

// Contract: PageDataHeadCodec in src/base/page-head.ts.
// Twins: asm/page-head.ts, src/engine/reference/page-head.ts.
// Arrays have room for all entries; types are at most 15. Written once, in plain C++: a head is
// a five-hundredth of the pages behind it.
namespace xenferry::engine {

using EncodePageDataHead = std::size_t(ConstWords pfns, ConstBytes types, Bytes out) noexcept;
using DecodePageDataHead = std::size_t(ConstBytes words, Words out_pfns, Bytes out_types) noexcept;

inline constexpr std::size_t kHeadBytes = 16;
inline constexpr std::size_t kPfnWordBytes = 8;
inline constexpr std::size_t kHeadPagesMax = 16 * 1024;
inline constexpr std::uint8_t kPageTypeMax = 15;

namespace portable {
EncodePageDataHead encode_page_data_head;
DecodePageDataHead decode_page_data_head;
}  // namespace portable

}  // namespace xenferry::engine
