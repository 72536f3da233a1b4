#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

// Function attributes let every file compile for the oldest CPU and hold newer variants besides.
#if defined(__x86_64__) && defined(__GNUC__)
#define XENFERRY_X86 1
#define XENFERRY_POPCNT __attribute__((target("popcnt")))
#define XENFERRY_SSE42 __attribute__((target("sse4.2,popcnt,pclmul")))
#define XENFERRY_AVX2 __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define XENFERRY_AVX512                                                                        \
  __attribute__((target(                                                                       \
      "avx512f,avx512bw,avx512vl,avx512vbmi,avx512vbmi2,avx512vpopcntdq,avx2,bmi,bmi2,popcnt," \
      "vpclmulqdq,pclmul,sse4.2")))
#elif defined(__aarch64__) && defined(__GNUC__)
#define XENFERRY_ARM64 1
#define XENFERRY_ARM_CRC __attribute__((target("+crc+crypto")))
#endif

namespace xenferry::engine {

static_assert(std::endian::native == std::endian::little, "wire fields are copied as they are");

using Bytes = std::span<std::uint8_t>;
using ConstBytes = std::span<const std::uint8_t>;
using Words = std::span<std::uint32_t>;
using ConstWords = std::span<const std::uint32_t>;

inline constexpr std::size_t kPageBytes = 4096;

// Pages ahead whose first bytes are fetched: lists of pages jump, so hardware does not foresee
// them.
inline constexpr std::size_t kPrefetchPages = 4;

// Arrays have any alignment; a load through memcpy is one instruction.
inline std::uint64_t load_u64(const std::uint8_t* from) noexcept {
  std::uint64_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline void store_u64(std::uint8_t* to, std::uint64_t value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

// Fetches the start of the page that `entry` comes to in kPrefetchPages steps.
inline void prefetch_page(ConstBytes window, ConstWords page_indexes, std::size_t entry) noexcept {
#if defined(__GNUC__)
  if (entry + kPrefetchPages < page_indexes.size()) {
    const std::size_t page_index = page_indexes[entry + kPrefetchPages];
    __builtin_prefetch(window.data() + page_index * kPageBytes);
  }
#endif
}

}  // namespace xenferry::engine
