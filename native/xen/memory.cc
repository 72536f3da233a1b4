#include "memory.h"

#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace xenferry::xen {

MappedChunk::MappedChunk(const Domain& domain, const FrameOf& frame_of, std::uint32_t number)
    : MappedChunk(map(domain, frame_of, number)) {}

MappedChunk::MappedChunk(Mapping mapping)
    : pages(std::move(mapping.pages)), mapped(mapping.mapped) {}

MappedChunk::Mapping MappedChunk::map(const Domain& domain, const FrameOf& frame_of,
                                      std::uint32_t number) {
  std::array<FrameWord, kFrames> frames;
  std::array<int, kFrames> errors;
  for (std::size_t frame = 0; frame < kFrames; ++frame) {
    frames[frame] = frame_of(std::uint64_t{number} * kFrames + frame);
  }
  Mapping mapping{
      ForeignPages{domain.host(), domain.domid(), PROT_READ | PROT_WRITE, frames, errors}, {}};
  for (std::size_t frame = 0; frame < kFrames; ++frame) mapping.mapped[frame] = errors[frame] == 0;
  return mapping;
}

std::shared_ptr<const MappedChunk> MappedChunks::with_frame(std::uint32_t pfn) {
  const std::uint32_t number = pfn / MappedChunk::kFrames;
  const std::size_t frame = pfn % MappedChunk::kFrames;
  const std::lock_guard<std::mutex> mapping(mapping_);
  std::shared_ptr<const MappedChunk>& chunk = chunks_[number];
  if (chunk != nullptr && chunk->mapped.test(frame)) return chunk;
  if (chunk == nullptr) ages_.push_back(number);
  chunk = std::make_shared<const MappedChunk>(domain_, frame_of_, number);
  if (!chunk->mapped.test(frame)) {
    throw pump::Failure{"GUEST_HOST_CALL", {{"unmappedPfn", pfn}}};
  }
  const std::shared_ptr<const MappedChunk> held = chunk;
  make_room();
  return held;
}

void MappedChunks::make_room() {
  while (ages_.size() > kChunksMax) {
    chunks_.erase(ages_.front());
    ages_.pop_front();
  }
}

void MappedChunks::clear() {
  const std::lock_guard<std::mutex> mapping(mapping_);
  chunks_.clear();
  ages_.clear();
}

HvmMemory::HvmMemory(const Domain& domain)
    : DomainMemory(domain, [](std::uint64_t pfn) { return FrameWord{pfn}; }), physmap_(domain) {}

void HvmMemory::expect(engine::ConstWords pfns, engine::ConstBytes types) {
  physmap_.populate(pfns, types);
}

void DomainMemory::store(engine::ConstWords pfns, std::span<const std::byte> pages) {
  std::shared_ptr<const MappedChunk> chunk;
  for (std::size_t entry = 0; entry < pfns.size(); ++entry) {
    const std::uint32_t pfn = pfns[entry];
    const std::size_t frame = pfn % MappedChunk::kFrames;
    const bool is_same_chunk =
        entry > 0 && pfns[entry - 1] / MappedChunk::kFrames == pfn / MappedChunk::kFrames;
    if (!is_same_chunk || !chunk->mapped.test(frame)) chunk = chunks_.with_frame(pfn);
    std::uint8_t* const page = chunk->pages.bytes().data() + frame * engine::kPageBytes;
    const std::byte* const content = pages.data() + entry * engine::kPageBytes;
    if (mode_ == Mode::kStore) {
      std::memcpy(page, content, engine::kPageBytes);
    } else if (std::memcmp(page, content, engine::kPageBytes) != 0) {
      mismatches_.fetch_add(1);
    }
  }
}

}  // namespace xenferry::xen
