#include "physmap.h"

#include "frames.h"

namespace xenferry::xen {
namespace {

constexpr bool is_populated(std::uint8_t page_type) {
  return page_type != kBroken && page_type != kXtab;
}

// Frames given memory: as many of the first as there was memory for. Negative on failure.
int populate_extents(const Domain& domain, unsigned order, std::vector<FrameWord> frames) {
  const Host& host = domain.host();
  return host.functions().populate(host.control(), domain.domid(), frames.size(), order, 0,
                                   frames.data());
}

}  // namespace

void Physmap::populate(engine::ConstWords pfns, engine::ConstBytes types) {
  singles_.clear();
  for (std::size_t entry = 0; entry < pfns.size();) {
    const std::uint32_t number = pfns[entry] / kChunkFrames;
    const Chunk& known = populated_[number];
    Chunk wanted;
    for (; entry < pfns.size() && pfns[entry] / kChunkFrames == number; ++entry) {
      const std::size_t frame = pfns[entry] % kChunkFrames;
      if (is_populated(types[entry]) && !known.test(frame)) wanted.set(frame);
    }
    if (wanted.any()) populate_chunk(number, wanted);
  }
  populate_singles();
}

void Physmap::populate_chunk(std::uint32_t number, const Chunk& wanted) {
  const FrameWord first = FrameWord{number} * kChunkFrames;
  populated_[number] |= wanted;
  if (wanted.all() && populate_extents(domain_, kSuperpageOrder, {first}) == 1) return;
  for (std::size_t frame = 0; frame < kChunkFrames; ++frame) {
    if (wanted.test(frame)) singles_.push_back(first + frame);
  }
}

void Physmap::populate_singles() {
  if (singles_.empty()) return;
  const int populated = populate_extents(domain_, 0, singles_);
  if (populated < 0) throw call_failure("xc_domain_populate_physmap");
  if (static_cast<std::size_t>(populated) == singles_.size()) return;
  throw pump::Failure{"GUEST_HOST_CALL",
                      {{"populatedPages", static_cast<std::uint64_t>(populated)},
                       {"wantedPages", singles_.size()},
                       {"firstPfn", singles_.front()}}};
}

}  // namespace xenferry::xen
