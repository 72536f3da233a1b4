#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "../engine/types.h"
#include "zstd.h"

namespace xenferry::pump {

enum class CompressionMode { kNever, kAlways, kAuto };

// Packs pages for a PAGE_DATA of type kPageDataZstdType.
class PagePacker {
 public:
  // What stands behind the pfn words for `pages`; valid until the next call.
  engine::ConstBytes pack(engine::ConstBytes pages);

 private:
  zstd::Compressor compressor_;
  std::vector<std::uint8_t> packed_;
};

// Chooses for each batch whether it is packed: the way that took less time for an octet of guest
// memory, looked at again now and then because links and content change.
class CompressionChoice {
 public:
  using Duration = std::chrono::steady_clock::duration;

  bool packs_next() noexcept;

  // Seconds an octet of guest memory takes the better way; 0 where none was told of.
  double cost() const noexcept;

  // Tells what a batch with data took, packing included.
  void sent(std::uint64_t data_bytes, bool was_packed, Duration elapsed) noexcept;

 private:
  // Seconds an octet, of batches that went this way of late; negative where none did.
  struct Way {
    double cost = -1;
    unsigned batches_ago = 0;
  };

  Way plain_;
  Way packed_;
};

}  // namespace xenferry::pump
