#include "compression.h"

#include <algorithm>
#include <cstring>

#include "page_data.h"

namespace xenferry::pump {
namespace {

// Weight of the newest batch in a way's cost.
constexpr double kNewest = 0.25;
// Batches after which the way that was not taken is tried again: fewer than one in a hundred go the
// worse way.
constexpr unsigned kRetryBatches = 128;

}  // namespace

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

bool CompressionChoice::packs_next() noexcept {
  const bool packed_is_better = packed_.cost < plain_.cost;
  Way& other = packed_is_better ? plain_ : packed_;
  const bool retries = other.cost < 0 || ++other.batches_ago > kRetryBatches;
  return retries ? !packed_is_better : packed_is_better;
}

double CompressionChoice::cost() const noexcept {
  if (plain_.cost < 0 || packed_.cost < 0) return std::max({plain_.cost, packed_.cost, 0.0});
  return std::min(plain_.cost, packed_.cost);
}

void CompressionChoice::sent(std::uint64_t data_bytes, bool was_packed, Duration elapsed) noexcept {
  Way& way = was_packed ? packed_ : plain_;
  const double cost =
      std::chrono::duration<double>(elapsed).count() / static_cast<double>(data_bytes);
  way.cost = way.cost < 0 ? cost : (1 - kNewest) * way.cost + kNewest * cost;
  way.batches_ago = 0;
}

}  // namespace xenferry::pump
