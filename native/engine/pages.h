#pragma once

#include "types.h"

// Contracts: PageOperations.findZeroPages, gatherPages, scatterPages, comparePages in
// src/engine/types.ts. Twins: asm/pages.ts, src/engine/reference/pages.ts.
// Each of `page_indexes` is a page of `window`; the other arrays have room for the whole list.
// A guest may write the window meanwhile: each byte is read, and what it was then is what counts.
namespace xenferry::engine {

using FindZeroPages = std::size_t(ConstBytes window, ConstWords page_indexes,
                                  Bytes out_is_zero) noexcept;
using GatherPages = std::size_t(ConstBytes window, ConstWords page_indexes,
                                Bytes out_pages) noexcept;
using ScatterPages = std::size_t(ConstBytes pages, ConstWords page_indexes, Bytes window) noexcept;
using ComparePages = std::size_t(ConstBytes window, ConstWords page_indexes, ConstBytes pages,
                                 Bytes out_differs) noexcept;

namespace portable {
FindZeroPages find_zero_pages;
GatherPages gather_pages;
ScatterPages scatter_pages;
ComparePages compare_pages;
}  // namespace portable

#if defined(XENFERRY_X86)
namespace avx2 {
XENFERRY_AVX2 FindZeroPages find_zero_pages;
XENFERRY_AVX2 ComparePages compare_pages;
}  // namespace avx2

namespace avx512 {
XENFERRY_AVX512 FindZeroPages find_zero_pages;
XENFERRY_AVX512 ComparePages compare_pages;
}  // namespace avx512
#endif

}  // namespace xenferry::engine
