#include "digest.h"

namespace xenferry::engine::portable {
namespace {

constexpr std::size_t kWordsPerGranule = kGranuleBytes / sizeof(std::uint32_t);

inline std::uint32_t load_u32(const std::uint8_t* from) noexcept {
  std::uint32_t value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// NH of a page, its first word meeting the first of `key`.
std::uint64_t hash_page(const std::uint8_t* page, const std::uint8_t* key) noexcept {
  std::uint64_t sums[kWordsPerGranule] = {};
  for (std::size_t at = 0; at < kPageBytes; at += 2 * kGranuleBytes) {
    for (std::size_t word = 0; word < kWordsPerGranule; ++word) {
      const std::size_t low_at = at + word * sizeof(std::uint32_t);
      const std::size_t high_at = low_at + kGranuleBytes;
      const std::uint32_t low = load_u32(page + low_at) + load_u32(key + low_at);
      const std::uint32_t high = load_u32(page + high_at) + load_u32(key + high_at);
      sums[word] += std::uint64_t{low} * high;
    }
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

}  // namespace

std::size_t digest_pages(ConstBytes window, ConstWords page_indexes, ConstBytes key,
                         Bytes out_digests) noexcept {
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    prefetch_page(window, page_indexes, entry);
    const std::size_t page_index = page_indexes[entry];
    const std::uint8_t* page = window.data() + page_index * kPageBytes;
    std::uint8_t* out = out_digests.data() + entry * kDigestBytes;
    for (std::size_t iteration = 0; iteration < kDigestIterations; ++iteration) {
      const std::uint64_t hash = hash_page(page, key.data() + iteration * kGranuleBytes);
      store_u64(out + iteration * sizeof hash, hash);
    }
  }
  return page_indexes.size();
}

}  // namespace xenferry::engine::portable
