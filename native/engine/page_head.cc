#include "page_head.h"

#include <algorithm>

namespace xenferry::engine::portable {
namespace {

struct Head {
  std::uint32_t record_type;
  std::uint32_t body_bytes;
  std::uint32_t count;
  std::uint32_t reserved;
};
static_assert(sizeof(Head) == kHeadBytes);

constexpr std::uint32_t kRecordTypePageData = 1;
constexpr std::size_t kRecordHeaderBytes = 8;
constexpr std::uint8_t kPageTypeBroken = 0xd;
constexpr unsigned kPageTypeShift = 60;
constexpr std::size_t kBlockWords = 16;

// Bits 59-52 are reserved, and 51-32 set mean a pfn of 2^32 or more.
constexpr std::uint64_t kMustBeClearMask = 0x0fff'ffff'0000'0000;

// Decodes `word_count` words known to be valid.
void decode_words(const std::uint8_t* words, std::size_t word_count, std::uint32_t* out_pfns,
                  std::uint8_t* out_types) noexcept {
  for (std::size_t entry = 0; entry < word_count; ++entry) {
    const std::uint64_t word = load_u64(words + entry * kPfnWordBytes);
    out_pfns[entry] = static_cast<std::uint32_t>(word);
    out_types[entry] = static_cast<std::uint8_t>(word >> kPageTypeShift);
  }
}

}  // namespace

std::size_t encode_page_data_head(ConstWords pfns, ConstBytes types, Bytes out) noexcept {
  std::size_t data_pages = 0;
  for (std::size_t entry = 0; entry < pfns.size(); ++entry) {
    const std::uint64_t type = types[entry];
    store_u64(out.data() + kHeadBytes + entry * kPfnWordBytes,
              pfns[entry] | type << kPageTypeShift);
    data_pages += type < kPageTypeBroken;
  }
  const std::size_t head_bytes = kHeadBytes + pfns.size() * kPfnWordBytes;
  const std::size_t body_bytes = head_bytes - kRecordHeaderBytes + data_pages * kPageBytes;
  const Head head{kRecordTypePageData, static_cast<std::uint32_t>(body_bytes),
                  static_cast<std::uint32_t>(pfns.size()), 0};
  std::memcpy(out.data(), &head, sizeof head);
  return head_bytes;
}

std::size_t decode_page_data_head(ConstBytes words, Words out_pfns, Bytes out_types) noexcept {
  const std::size_t word_count = words.size() / kPfnWordBytes;
  for (std::size_t first = 0; first < word_count; first += kBlockWords) {
    const std::size_t block_words = std::min(kBlockWords, word_count - first);
    const std::uint8_t* block = words.data() + first * kPfnWordBytes;
    std::size_t valid_words = 0;
    while (valid_words < block_words &&
           (load_u64(block + valid_words * kPfnWordBytes) & kMustBeClearMask) == 0) {
      ++valid_words;
    }
    decode_words(block, valid_words, out_pfns.data() + first, out_types.data() + first);
    if (valid_words < block_words) return first + valid_words;
  }
  return word_count;
}

}  // namespace xenferry::engine::portable
