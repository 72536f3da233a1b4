#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "../engine/digest.h"

namespace xenferry::pump {

// The digest of each page as it was last sent: 33 octets a page. Threads may use it at the same
// time for different pages.
class PageDigests {
 public:
  // `key` is secret and random, of engine::kDigestKeyBytes.
  PageDigests(std::size_t page_count, engine::ConstBytes key)
      : key_(key.begin(), key.end()),
        digests_(page_count * engine::kDigestBytes),
        is_known_(page_count) {}

  engine::ConstBytes key() const noexcept { return key_; }

  // Whether a page was last sent with this digest; takes it down for the next time.
  bool is_unchanged(std::uint32_t pfn, const std::uint8_t* digest) noexcept {
    std::uint8_t* const last = digests_.data() + std::size_t{pfn} * engine::kDigestBytes;
    if (is_known_[pfn] != 0 && std::memcmp(last, digest, engine::kDigestBytes) == 0) return true;
    std::memcpy(last, digest, engine::kDigestBytes);
    is_known_[pfn] = 1;
    return false;
  }

 private:
  std::vector<std::uint8_t> key_;
  std::vector<std::uint8_t> digests_;
  std::vector<std::uint8_t> is_known_;
};

}  // namespace xenferry::pump
