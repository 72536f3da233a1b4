#include "baselines.h"

#include "avx512.h"
#include "bitmap.h"
#include "cpu.h"

namespace xenferry::engine::baselines {
namespace {

// Where there is room for all bits of so many bytes, none of them looks for the end.
constexpr std::size_t kUncheckedBytes = 512;

std::uint64_t sum_portable(ConstBytes bytes) noexcept {
  std::uint64_t sum = 0;
  std::size_t at = 0;
  for (; bytes.size() - at >= kWordBytes; at += kWordBytes) sum += load_u64(bytes.data() + at);
  for (; at < bytes.size(); ++at) sum += bytes[at];
  return sum;
}

std::size_t list_portable(ConstBytes bitmap, Words out_pfns) noexcept {
  return portable::scan_bitmap(bitmap, 0, out_pfns);
}

#if defined(XENFERRY_X86)
XENFERRY_AVX2 std::uint64_t sum_avx2(ConstBytes bytes) noexcept {
  constexpr std::size_t kVectorBytes = 32;
  __m256i sums[4] = {};
  std::size_t at = 0;
  for (; bytes.size() - at >= sizeof sums; at += sizeof sums) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      const std::uint8_t* from = bytes.data() + at + lane * kVectorBytes;
      const __m256i words = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
      sums[lane] = _mm256_add_epi64(sums[lane], words);
    }
  }
  const __m256i all =
      _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]), _mm256_add_epi64(sums[2], sums[3]));
  alignas(kVectorBytes) std::uint64_t parts[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(parts), all);
  return parts[0] + parts[1] + parts[2] + parts[3] + sum_portable(bytes.subspan(at));
}

XENFERRY_AVX512 std::uint64_t sum_avx512(ConstBytes bytes) noexcept {
  constexpr std::size_t kVectorBytes = 64;
  __m512i sums[4] = {};
  std::size_t at = 0;
  for (; bytes.size() - at >= sizeof sums; at += sizeof sums) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      const __m512i words = _mm512_loadu_si512(bytes.data() + at + lane * kVectorBytes);
      sums[lane] = _mm512_add_epi64(sums[lane], words);
    }
  }
  const __m512i all =
      _mm512_add_epi64(_mm512_add_epi64(sums[0], sums[1]), _mm512_add_epi64(sums[2], sums[3]));
  return static_cast<std::uint64_t>(_mm512_reduce_add_epi64(all)) + sum_portable(bytes.subspan(at));
}

// With the instructions for trailing zeros and for clearing the lowest bit.
XENFERRY_AVX2 std::size_t list_bmi(ConstBytes bitmap, Words out_pfns) noexcept {
  std::uint32_t* out = out_pfns.data();
  const std::uint32_t* const out_end = out + out_pfns.size();
  std::size_t at = 0;
  while (bitmap.size() - at >= kUncheckedBytes &&
         static_cast<std::size_t>(out_end - out) >= kUncheckedBytes * 8) {
    for (const std::size_t end = at + kUncheckedBytes; at < end; at += kWordBytes) {
      const auto base_pfn = static_cast<std::uint32_t>(at * 8);
      for (std::uint64_t rest = load_u64(bitmap.data() + at); rest != 0; rest &= rest - 1) {
        *out++ = base_pfn + static_cast<std::uint32_t>(__builtin_ctzll(rest));
      }
    }
  }
  for (; at < bitmap.size() && out != out_end; at += kWordBytes) {
    const std::uint64_t word = load_u64(bitmap.data() + at);
    out = scan_word(word, static_cast<std::uint32_t>(at * 8), out, out_end);
  }
  return static_cast<std::size_t>(out - out_pfns.data());
}
#endif

}  // namespace

std::uint64_t sum_words(ConstBytes bytes) noexcept {
#if defined(XENFERRY_X86)
  static const CpuFeatures features = cpu_features();
  if (features.avx512) return sum_avx512(bytes);
  if (features.avx2) return sum_avx2(bytes);
#endif
  return sum_portable(bytes);
}

std::size_t list_bits(ConstBytes bitmap, Words out_pfns) noexcept {
#if defined(XENFERRY_X86)
  static const CpuFeatures features = cpu_features();
  if (features.avx2) return list_bmi(bitmap, out_pfns);
#endif
  return list_portable(bitmap, out_pfns);
}

}  // namespace xenferry::engine::baselines
