#include "compression.h"

#include <algorithm>
#include <cstring>

#include "page_data.h"

namespace xenferry::pump {

engine::ConstBytes PagePacker::pack(engine::ConstBytes pages) {
  const std::size_t packs = (pages.size() + kPackBytesMax - 1) / kPackBytesMax;
  packed_.resize(pages.size() + packs * kPackHeadBytes);
  std::size_t end = 0;
  while (!pages.empty()) {
    const engine::ConstBytes part = pages.first(std::min(pages.size(), kPackBytesMax));
    const engine::Bytes room = engine::Bytes(packed_).subspan(end + kPackHeadBytes, part.size());
    // A frame that saves nothing is not worth unpacking.
    std::size_t size = compressor_.compress(part, room.first(part.size() - 1));
    if (size == 0) {
      size = part.size();
      std::memcpy(room.data(), part.data(), size);
    }
    const auto head = static_cast<std::uint32_t>(size);
    std::memcpy(packed_.data() + end, &head, sizeof head);
    end += kPackHeadBytes + size;
    pages = pages.subspan(part.size());
  }
  return engine::ConstBytes(packed_).first(end);
}

}  // namespace xenferry::pump
