#pragma once

#include <bitset>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "domain.h"

namespace xenferry::xen {

// The memory that a domain under construction has been given, frame by frame, of its own numbering.
class Physmap {
 public:
  explicit Physmap(const Domain& domain) : domain_(domain) {}

  // Gives memory to those of `pfns` that are to hold any and have none yet: a superpage where all
  // of its frames are named next to each other, single pages elsewhere, and where there is no
  // superpage to be had. Throws Failure GUEST_HOST_CALL.
  void populate(engine::ConstWords pfns, engine::ConstBytes types);

 private:
  static constexpr std::size_t kChunkFrames = 1u << kSuperpageOrder;
  using Chunk = std::bitset<kChunkFrames>;

  void populate_chunk(std::uint32_t number, const Chunk& wanted);
  void populate_singles();

  const Domain& domain_;
  // By number of the superpage.
  std::unordered_map<std::uint32_t, Chunk> populated_;
  // Frames that wait to be populated singly.
  std::vector<FrameWord> singles_;
};

}  // namespace xenferry::xen
