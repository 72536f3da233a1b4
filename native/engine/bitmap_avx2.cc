#include "bitmap.h"

#if defined(XENFERRY_X86)
#include <immintrin.h>

#include <array>

namespace xenferry::engine::avx2 {
namespace {

constexpr std::size_t kVectorBytes = 32;
// The words of a block are the bits of a word, those of a chunk are numbered in sixteen bits.
constexpr std::size_t kBlockBytes = kWordBits * kWordBytes;
constexpr std::size_t kChunkBytes = 8 * kBlockBytes;

// Up to this many set bits of a word are listed one by one, more go through the table; so do all
// words of a chunk with this many words in use, where the number of bits could not be foreseen.
constexpr int kFewBits = 4;
constexpr std::size_t kDenseWords = kChunkBytes / kWordBytes * 7 / 8;
// Pfns that one store writes, of which all but the first may be too many.
constexpr std::size_t kLanes = 8;

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

// Bit n: word n of the block has anything set. Fetches what a chunk further on is asked for next.
XENFERRY_AVX2 inline std::uint64_t words_in_use(const std::uint8_t* block) noexcept {
  const __m256i zero = _mm256_setzero_si256();
  std::uint64_t empty = 0;
  for (unsigned vector = 0; vector < kBlockBytes / kVectorBytes; ++vector) {
    __builtin_prefetch(block + vector * kVectorBytes + kChunkBytes);
    const __m256i words = load_vector(block + vector * kVectorBytes);
    const auto equal = _mm256_castsi256_pd(_mm256_cmpeq_epi64(words, zero));
    empty |= static_cast<std::uint64_t>(_mm256_movemask_pd(equal)) << vector * 4;
  }
  return ~empty;
}

// Lists the words of a chunk that have anything set: no branch depends on single words. Entries
// beyond the count that is returned are undefined.
XENFERRY_AVX2 inline std::size_t list_words(const std::uint8_t* chunk,
                                            std::uint16_t* list) noexcept {
  std::size_t count = 0;
  for (std::size_t block = 0; block < kChunkBytes / kBlockBytes; ++block) {
    std::uint64_t in_use = words_in_use(chunk + block * kBlockBytes);
    if (in_use == 0) continue;
    __m128i base = _mm_set1_epi16(static_cast<short>(block * kWordBits));
    for (std::size_t byte = 0; byte < kWordBytes; ++byte, in_use >>= 8) {
      const auto* positions = reinterpret_cast<const __m128i*>(kPositions[in_use & 0xff].data());
      const __m128i eight = _mm_add_epi16(base, _mm_cvtepu8_epi16(_mm_loadl_epi64(positions)));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(list + count), eight);
      count += static_cast<std::size_t>(__builtin_popcount(in_use & 0xff));
      base = _mm_add_epi16(base, _mm_set1_epi16(8));
    }
  }
  return count;
}

// Writes the pfns of all set bits, and up to seven more entries.
XENFERRY_AVX2 inline void store_word(std::uint64_t word, std::uint32_t base_pfn,
                                     std::uint32_t* out) noexcept {
  __m256i base = _mm256_set1_epi32(static_cast<int>(base_pfn));
  for (std::size_t byte = 0; byte < kWordBytes; ++byte, word >>= 8) {
    const auto* positions = reinterpret_cast<const __m128i*>(kPositions[word & 0xff].data());
    const __m256i eight = _mm256_cvtepu8_epi32(_mm_loadl_epi64(positions));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), _mm256_add_epi32(base, eight));
    out += __builtin_popcount(word & 0xff);
    base = _mm256_add_epi32(base, _mm256_set1_epi32(8));
  }
}

// Writes the pfns of up to four set bits, and as many more entries as are missing to four.
XENFERRY_AVX2 inline void store_few_bits(std::uint64_t word, std::uint32_t base_pfn,
                                         std::uint32_t* out) noexcept {
  for (int bit = 0; bit < kFewBits; ++bit, word = _blsr_u64(word)) {
    out[bit] = base_pfn + static_cast<std::uint32_t>(_tzcnt_u64(word));
  }
}

// Lists the words in use, then goes through that list: what sparse bitmaps cost is the branch
// mispredicted at each word in use, and here there is none. Entries written too many are those of
// the words that follow, each of which has a bit; so the last words are taken bit by bit.
XENFERRY_AVX2 inline std::uint32_t* scan_chunk(const std::uint8_t* chunk, std::uint32_t base_pfn,
                                               std::uint32_t* out,
                                               const std::uint32_t* out_end) noexcept {
  std::uint16_t list[kChunkBytes / kWordBytes + kLanes];
  const std::size_t count = list_words(chunk, list);
  const int few_bits = count < kDenseWords ? kFewBits : 0;
  for (std::size_t entry = 0; entry < count; ++entry) {
    const std::uint32_t index = list[entry];
    const std::uint64_t word = load_u64(chunk + index * kWordBytes);
    const std::uint32_t word_pfn = base_pfn + index * std::uint32_t{kWordBits};
    const auto room = static_cast<std::size_t>(out_end - out);
    if (count - entry < kLanes || room < kWordBits + kLanes) {
      out = scan_word(word, word_pfn, out, out_end);
      continue;
    }
    const int set_bits = __builtin_popcountll(word);
    if (set_bits <= few_bits) {
      store_few_bits(word, word_pfn, out);
    } else {
      store_word(word, word_pfn, out);
    }
    out += set_bits;
  }
  return out;
}

// Scans the words of `bitmap` from `at` on, one by one.
XENFERRY_AVX2 inline std::uint32_t* scan_words(ConstBytes bitmap, std::uint64_t at,
                                               std::uint32_t* out,
                                               const std::uint32_t* out_end) noexcept {
  for (; at < bitmap.size() && out != out_end; at += kWordBytes) {
    const std::uint64_t word = load_u64(bitmap.data() + at);
    out = scan_word(word, static_cast<std::uint32_t>(at * 8), out, out_end);
  }
  return out;
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
  out = scan_word(first_word, static_cast<std::uint32_t>(at * 8), out, out_end);
  at += kWordBytes;
  for (; bitmap.size() - at >= kChunkBytes && out != out_end; at += kChunkBytes) {
    out = scan_chunk(bitmap.data() + at, static_cast<std::uint32_t>(at * 8), out, out_end);
  }
  out = scan_words(bitmap, at, out, out_end);
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
