#pragma once

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

}  // namespace xenferry::pump
