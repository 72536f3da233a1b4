#pragma once

#include "types.h"

// What page operations are compared with, for bench/ only: plain loops that give no page operation
// its result. No engine runs them.
namespace xenferry::engine::baselines {

// The sum of all 64-bit words, and of the bytes that are left: what reading memory takes at least.
// Runs the widest loads there are.
std::uint64_t sum_words(ConstBytes bytes) noexcept;

// The numbers of set bits, rising, until `out_pfns` is full: words one by one, trailing zeros one
// by one. Returns how many were written. The length of `bitmap` is a multiple of 8.
std::size_t list_bits(ConstBytes bitmap, Words out_pfns) noexcept;

}  // namespace xenferry::engine::baselines
