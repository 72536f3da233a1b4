#include "avx512.h"
#include "bitmap.h"

#if defined(XENFERRY_X86)
#include <algorithm>
#include <array>

namespace xenferry::engine::avx512 {
namespace {

constexpr std::size_t kVectorBytes = 64;
// The words of a block are numbered in a byte, those of a chunk in sixteen bits.
constexpr std::size_t kBlockBytes = kWordBits * kWordBytes;
constexpr std::size_t kChunkBytes = 8 * kBlockBytes;
constexpr std::size_t kLanes = 16;

constexpr auto kBitNumbers = [] {
  std::array<std::uint8_t, kWordBits> numbers{};
  for (std::size_t bit = 0; bit < kWordBits; ++bit) numbers[bit] = static_cast<std::uint8_t>(bit);
  return numbers;
}();

// Bit n: word n of the block has anything set. Fetches what a chunk further on is asked for next.
XENFERRY_AVX512 inline std::uint64_t words_in_use(const std::uint8_t* block) noexcept {
  std::uint64_t in_use = 0;
  for (unsigned vector = 0; vector < kBlockBytes / kVectorBytes; ++vector) {
    const __m512i words = _mm512_loadu_si512(block + vector * kVectorBytes);
    __builtin_prefetch(block + vector * kVectorBytes + kChunkBytes);
    in_use |= std::uint64_t{_mm512_test_epi64_mask(words, words)} << vector * 8;
  }
  return in_use;
}

// Lists the words of a chunk that have anything set: no branch depends on the words. Entries
// beyond the count that is returned are undefined.
XENFERRY_AVX512 inline std::size_t list_words(const std::uint8_t* chunk,
                                              std::uint16_t* list) noexcept {
  const __m512i numbers = _mm512_loadu_si512(kBitNumbers.data());
  std::size_t count = 0;
  for (std::size_t block = 0; block < kChunkBytes / kBlockBytes; ++block) {
    const std::uint64_t in_use = words_in_use(chunk + block * kBlockBytes);
    const __m512i listed = _mm512_maskz_compress_epi8(in_use, numbers);
    const __m512i base = _mm512_set1_epi16(static_cast<short>(block * kWordBits));
    const __m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(listed));
    const __m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(listed, 1));
    _mm512_storeu_si512(list + count, _mm512_add_epi16(low, base));
    _mm512_storeu_si512(list + count + kWordBits / 2, _mm512_add_epi16(high, base));
    count += static_cast<std::size_t>(__builtin_popcountll(in_use));
  }
  return count;
}

// Stores the first `count` (at most 16 count) of sixteen positions as pfns.
XENFERRY_AVX512 inline void store_lanes(std::uint32_t* out, __m128i positions, __m512i base,
                                        unsigned count) noexcept {
  const __m512i pfns = _mm512_add_epi32(base, _mm512_cvtepu8_epi32(positions));
  _mm512_mask_storeu_epi32(out, static_cast<__mmask16>(_bzhi_u32(0xffff, count)), pfns);
}

// The positions of all set bits come from one compression of the numbers 0 to 63: no branch a bit.
XENFERRY_AVX512 inline std::uint32_t* scan_any_word(std::uint64_t word, std::uint32_t base_pfn,
                                                    std::uint32_t* out,
                                                    const std::uint32_t* out_end) noexcept {
  const auto set_bits = static_cast<unsigned>(__builtin_popcountll(word));
  if (set_bits > static_cast<std::size_t>(out_end - out)) {
    return scan_word(word, base_pfn, out, out_end);
  }
  const __m512i positions =
      _mm512_maskz_compress_epi8(word, _mm512_loadu_si512(kBitNumbers.data()));
  const __m512i base = _mm512_set1_epi32(static_cast<int>(base_pfn));
  store_lanes(out, _mm512_castsi512_si128(positions), base, set_bits);
  if (set_bits > kLanes) {
    store_lanes(out + kLanes, _mm512_extracti32x4_epi32(positions, 1), base, set_bits - 16);
    if (set_bits > 2 * kLanes) {
      store_lanes(out + 2 * kLanes, _mm512_extracti32x4_epi32(positions, 2), base, set_bits - 32);
    }
    if (set_bits > 3 * kLanes) {
      store_lanes(out + 3 * kLanes, _mm512_extracti32x4_epi32(positions, 3), base, set_bits - 48);
    }
  }
  return out + set_bits;
}

// Scans the words of `bitmap` from `at` on, one by one.
XENFERRY_AVX512 inline std::uint32_t* scan_words(ConstBytes bitmap, std::uint64_t at,
                                                 std::uint32_t* out,
                                                 const std::uint32_t* out_end) noexcept {
  for (; at < bitmap.size() && out != out_end; at += kWordBytes) {
    const std::uint64_t word = load_u64(bitmap.data() + at);
    if (word != 0) out = scan_any_word(word, static_cast<std::uint32_t>(at * 8), out, out_end);
  }
  return out;
}

// Lists the words in use, then goes through that list: what sparse bitmaps cost is the branch
// mispredicted at each word in use, and here there is none.
XENFERRY_AVX512 inline std::uint32_t* scan_chunk(const std::uint8_t* chunk, std::uint32_t base_pfn,
                                                 std::uint32_t* out,
                                                 const std::uint32_t* out_end) noexcept {
  std::uint16_t list[kChunkBytes / kWordBytes + kWordBits];
  const std::size_t count = list_words(chunk, list);
  for (std::size_t entry = 0; entry < count; ++entry) {
    const std::uint32_t index = list[entry];
    const std::uint64_t word = load_u64(chunk + index * kWordBytes);
    out = scan_any_word(word, base_pfn + index * std::uint32_t{kWordBits}, out, out_end);
  }
  return out;
}

}  // namespace

XENFERRY_AVX512 std::size_t scan_bitmap(ConstBytes bitmap, std::uint64_t first_pfn,
                                        Words out_pfns) noexcept {
  std::uint64_t at = first_pfn / kWordBits * kWordBytes;
  if (at >= bitmap.size()) return 0;
  std::uint32_t* out = out_pfns.data();
  const std::uint32_t* const out_end = out + out_pfns.size();
  const std::uint64_t mask = ~std::uint64_t{0} << (first_pfn % kWordBits);
  const std::uint64_t first_word = load_u64(bitmap.data() + at) & mask;
  out = scan_any_word(first_word, static_cast<std::uint32_t>(at * 8), out, out_end);
  at += kWordBytes;
  // Vectors start at a cache line where words do, so that none straddles two.
  const auto address = reinterpret_cast<std::uintptr_t>(bitmap.data() + at);
  const std::uint64_t straddling_bytes = -address % kVectorBytes / kWordBytes * kWordBytes;
  const std::uint64_t chunks_at = std::min<std::uint64_t>(at + straddling_bytes, bitmap.size());
  out = scan_words(bitmap.first(chunks_at), at, out, out_end);
  at = chunks_at;
  for (; bitmap.size() - at >= kChunkBytes && out != out_end; at += kChunkBytes) {
    out = scan_chunk(bitmap.data() + at, static_cast<std::uint32_t>(at * 8), out, out_end);
  }
  out = scan_words(bitmap, at, out, out_end);
  return static_cast<std::size_t>(out - out_pfns.data());
}

XENFERRY_AVX512 std::uint64_t count_bitmap(ConstBytes bitmap) noexcept {
  __m512i lanes = _mm512_setzero_si512();
  std::size_t at = 0;
  for (; bitmap.size() - at >= kVectorBytes; at += kVectorBytes) {
    const __m512i vector = _mm512_loadu_si512(bitmap.data() + at);
    lanes = _mm512_add_epi64(lanes, _mm512_popcnt_epi64(vector));
  }
  const auto set_bits = static_cast<std::uint64_t>(_mm512_reduce_add_epi64(lanes));
  return set_bits + popcnt::count_bitmap(bitmap.subspan(at));
}

XENFERRY_AVX512 std::uint64_t or_bitmap(Bytes into, ConstBytes from) noexcept {
  __m512i lanes = _mm512_setzero_si512();
  std::size_t at = 0;
  for (; into.size() - at >= kVectorBytes; at += kVectorBytes) {
    const __m512i both =
        _mm512_or_si512(_mm512_loadu_si512(into.data() + at), _mm512_loadu_si512(from.data() + at));
    _mm512_storeu_si512(into.data() + at, both);
    lanes = _mm512_add_epi64(lanes, _mm512_popcnt_epi64(both));
  }
  const auto set_bits = static_cast<std::uint64_t>(_mm512_reduce_add_epi64(lanes));
  return set_bits + popcnt::or_bitmap(into.subspan(at), from.subspan(at));
}

}  // namespace xenferry::engine::avx512
#endif
