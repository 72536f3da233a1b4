#include "page_source.h"

#include <algorithm>

#include "failure.h"

namespace xenferry::pump {

void Piece::unpack() {
  if (packed.empty()) return;
  if (decompressor_ == nullptr) decompressor_ = std::make_unique<zstd::Decompressor>();
  const std::span<std::byte> out = pages();
  if (!decompressor_->decompress(packed,
                                 {reinterpret_cast<std::uint8_t*>(out.data()), out.size()})) {
    throw Failure{"PAGE_DATA_COMPRESSION",
                  {{"offset", record_offset}, {"recordType", kPageDataZstdType}}};
  }
}

std::uint64_t StreamSource::skip(std::uint64_t, std::uint64_t byte_count) {
  std::array<std::byte, engine::kPageBytes> room;
  std::uint64_t skipped = 0;
  while (skipped < byte_count) {
    const std::size_t wanted = std::min<std::uint64_t>(room.size(), byte_count - skipped);
    const std::size_t got = inlet_.read(std::span(room).first(wanted));
    skipped += got;
    if (got < wanted) break;
  }
  return skipped;
}

}  // namespace xenferry::pump
