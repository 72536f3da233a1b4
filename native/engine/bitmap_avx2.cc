#include "bitmap.h"

#if defined(XENFERRY_X86)
#include <immintrin.h>

#include <algorithm>
#include <array>

namespace xenferry::engine::avx2 {
namespace {

constexpr std::size_t kVectorBytes = 32;
constexpr std::size_t kBlockBytes = 4 * kVectorBytes;

// From this many set bits on, a word goes through the table rather than bit by bit.
constexpr int kTableBitsMin = 4;

// `kPositions[byte]`: the numbers of the bits set in `byte`, rising; the rest is 0.
constexpr auto kPositions = [] {
  std::array<std::array<std::uint8_t, 8>, 256> table{};
  for (unsigned byte = 0; byte < 256; ++byte) {
    std::size_t count = 0;
    for (unsigned bit = 0; bit < 8; ++bit) {
      if ((byte >> bit & 1u) != 0) table[byte][count++] = static_cast<std::uint8_t>(bit);
    }
  }
  return table;
}();

XENFERRY_AVX2 inline __m256i load_vector(const std::uint8_t* from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

XENFERRY_AVX2 inline bool is_zero_block(const std::uint8_t* from) noexcept {
  const __m256i low = _mm256_or_si256(load_vector(from), load_vector(from + kVectorBytes));
  const __m256i high =
      _mm256_or_si256(load_vector(from + 2 * kVectorBytes), load_vector(from + 3 * kVectorBytes));
  const __m256i all = _mm256_or_si256(low, high);
  return _mm256_testz_si256(all, all) != 0;
}

// Eight positions are stored at a time, those too many being overwritten by the next; hence into a
// buffer of the word's own, so that `out` gets the word's pfns and nothing else.
XENFERRY_AVX2 inline std::uint32_t* scan_word_by_table(std::uint64_t word, std::uint32_t base_pfn,
                                                       std::uint32_t* out) noexcept {
  alignas(kVectorBytes) std::uint32_t pfns[kWordBits + 8];
  std::size_t count = 0;
  __m256i base = _mm256_set1_epi32(static_cast<int>(base_pfn));
  for (std::uint64_t rest = word; rest != 0; rest >>= 8) {
    const auto byte = static_cast<std::uint8_t>(rest);
    const __m128i positions =
        _mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPositions[byte].data()));
    const __m256i eight = _mm256_add_epi32(base, _mm256_cvtepu8_epi32(positions));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(pfns + count), eight);
    count += static_cast<std::size_t>(__builtin_popcount(byte));
    base = _mm256_add_epi32(base, _mm256_set1_epi32(8));
  }
  std::memcpy(out, pfns, count * sizeof *out);
  return out + count;
}

XENFERRY_AVX2 inline std::uint32_t* scan_any_word(std::uint64_t word, std::uint32_t base_pfn,
                                                  std::uint32_t* out,
                                                  const std::uint32_t* out_end) noexcept {
  const int set_bits = __builtin_popcountll(word);
  if (set_bits < kTableBitsMin || set_bits > out_end - out) {
    return scan_word(word, base_pfn, out, out_end);
  }
  return scan_word_by_table(word, base_pfn, out);
}

// Set bits of each byte by a table of nibbles, summed into four 64-bit lanes.
XENFERRY_AVX2 inline __m256i count_vector(__m256i vector) noexcept {
  const __m256i nibble_counts = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                                 0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
  const __m256i nibble_mask = _mm256_set1_epi8(0x0f);
  const __m256i low = _mm256_and_si256(vector, nibble_mask);
  const __m256i high = _mm256_and_si256(_mm256_srli_epi16(vector, 4), nibble_mask);
  const __m256i per_byte = _mm256_add_epi8(_mm256_shuffle_epi8(nibble_counts, low),
                                           _mm256_shuffle_epi8(nibble_counts, high));
  return _mm256_sad_epu8(per_byte, _mm256_setzero_si256());
}

XENFERRY_AVX2 inline std::uint64_t sum_of_lanes(__m256i lanes) noexcept {
  alignas(kVectorBytes) std::uint64_t sums[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(sums), lanes);
  return sums[0] + sums[1] + sums[2] + sums[3];
}

}  // namespace

XENFERRY_AVX2 std::size_t scan_bitmap(ConstBytes bitmap, std::uint64_t first_pfn,
                                      Words out_pfns) noexcept {
  std::uint64_t at = first_pfn / kWordBits * kWordBytes;
  if (at >= bitmap.size()) return 0;
  std::uint32_t* out = out_pfns.data();
  const std::uint32_t* const out_end = out + out_pfns.size();
  const std::uint64_t mask = ~std::uint64_t{0} << (first_pfn % kWordBits);
  const std::uint64_t first_word = load_u64(bitmap.data() + at) & mask;
  out = scan_any_word(first_word, static_cast<std::uint32_t>(at * 8), out, out_end);
  at += kWordBytes;
  while (at < bitmap.size() && out != out_end) {
    if (bitmap.size() - at >= kBlockBytes && is_zero_block(bitmap.data() + at)) {
      at += kBlockBytes;
      continue;
    }
    const std::size_t block_end = std::min<std::size_t>(at + kBlockBytes, bitmap.size());
    for (; at < block_end; at += kWordBytes) {
      const std::uint64_t word = load_u64(bitmap.data() + at);
      out = scan_any_word(word, static_cast<std::uint32_t>(at * 8), out, out_end);
    }
  }
  return static_cast<std::size_t>(out - out_pfns.data());
}

XENFERRY_AVX2 std::uint64_t count_bitmap(ConstBytes bitmap) noexcept {
  __m256i lanes = _mm256_setzero_si256();
  std::size_t at = 0;
  for (; bitmap.size() - at >= kVectorBytes; at += kVectorBytes) {
    lanes = _mm256_add_epi64(lanes, count_vector(load_vector(bitmap.data() + at)));
  }
  return sum_of_lanes(lanes) + popcnt::count_bitmap(bitmap.subspan(at));
}

XENFERRY_AVX2 std::uint64_t or_bitmap(Bytes into, ConstBytes from) noexcept {
  __m256i lanes = _mm256_setzero_si256();
  std::size_t at = 0;
  for (; into.size() - at >= kVectorBytes; at += kVectorBytes) {
    const __m256i both =
        _mm256_or_si256(load_vector(into.data() + at), load_vector(from.data() + at));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(into.data() + at), both);
    lanes = _mm256_add_epi64(lanes, count_vector(both));
  }
  return sum_of_lanes(lanes) + popcnt::or_bitmap(into.subspan(at), from.subspan(at));
}

}  // namespace xenferry::engine::avx2
#endif
