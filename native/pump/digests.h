#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <vector>

#include "../engine/digest.h"

namespace xenferry::pump {

// The digest of each page as it was last sent: 33 octets a page, of memory that is taken up as
// pages are digested. Threads may use it at the same time for different pages.
class PageDigests {
 public:
  // `key` is secret and random, of engine::kDigestKeyBytes. Optional ones are made only where they
  // cost little beside the transport.
  PageDigests(std::size_t page_count, engine::ConstBytes key, bool are_optional)
      : key_(key.begin(), key.end()),
        are_optional_(are_optional),
        digests_(zeros(page_count * engine::kDigestBytes)),
        is_known_(zeros(page_count)) {}

  engine::ConstBytes key() const noexcept { return key_; }
  bool are_optional() const noexcept { return are_optional_; }

  // Whether a page was last sent with this digest; takes it down for the next time.
  bool is_unchanged(std::uint32_t pfn, const std::uint8_t* digest) noexcept {
    std::uint8_t* const last = digests_.get() + std::size_t{pfn} * engine::kDigestBytes;
    if (is_known_[pfn] != 0 && std::memcmp(last, digest, engine::kDigestBytes) == 0) return true;
    std::memcpy(last, digest, engine::kDigestBytes);
    is_known_[pfn] = 1;
    return false;
  }

  // The page is sent without its digest being known.
  void forget(std::uint32_t pfn) noexcept {
    if (is_known_[pfn] != 0) is_known_[pfn] = 0;
  }

 private:
  struct Free {
    void operator()(std::uint8_t* bytes) const noexcept { std::free(bytes); }
  };
  using Zeros = std::unique_ptr<std::uint8_t[], Free>;

  static Zeros zeros(std::size_t byte_count) {
    Zeros bytes(static_cast<std::uint8_t*>(std::calloc(byte_count, 1)));
    if (bytes == nullptr) throw std::bad_alloc();
    return bytes;
  }

  std::vector<std::uint8_t> key_;
  bool are_optional_;
  Zeros digests_;
  Zeros is_known_;
};

}  // namespace xenferry::pump
