#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "../pump/page_target.h"
#include "physmap.h"

namespace xenferry::xen {

// What a pfn is called in calls on its domain's memory: for PV domains, by its mfn.
using FrameOf = std::function<FrameWord(std::uint64_t pfn)>;

// 4 MiB of a domain's frames, mapped as far as they have memory.
struct MappedChunk {
  static constexpr std::size_t kFrames = 1024;

  MappedChunk(const Domain& domain, const FrameOf& frame_of, std::uint32_t number);

  // pfns number * kFrames and on; what is not mapped must not be touched.
  ForeignPages pages;
  std::bitset<kFrames> mapped;

 private:
  struct Mapping {
    ForeignPages pages;
    std::bitset<kFrames> mapped;
  };
  explicit MappedChunk(Mapping mapping);
  static Mapping map(const Domain& domain, const FrameOf& frame_of, std::uint32_t number);
};

// Memory of a domain under construction, with mappings that are kept: later iterations bring the
// same pages again. Any thread may take chunks.
class MappedChunks {
 public:
  MappedChunks(const Domain& domain, FrameOf frame_of)
      : domain_(domain), frame_of_(std::move(frame_of)) {}

  // The chunk with `pfn`, which is mapped; good for as long as it is held.
  // Throws Failure GUEST_HOST_CALL where the frame cannot be mapped.
  std::shared_ptr<const MappedChunk> with_frame(std::uint32_t pfn);
  // Gives up all mappings that nobody holds.
  void clear();

 private:
  // 16 GiB; a process has room for 65,530 mappings.
  static constexpr std::size_t kChunksMax = 4096;

  void make_room();

  const Domain& domain_;
  const FrameOf frame_of_;
  std::mutex mapping_;
  std::unordered_map<std::uint32_t, std::shared_ptr<const MappedChunk>> chunks_;
  // Numbers of the chunks, the oldest first.
  std::list<std::uint32_t> ages_;
};

// What pages of a stream go into: a domain under construction.
class DomainMemory : public pump::PageTarget {
 public:
  // Whether pages are stored, or compared with those that are there.
  enum class Mode { kStore, kVerify };

  // Before pages come, and not while they do.
  void set_mode(Mode mode) noexcept { mode_ = mode; }
  // Pages that were other than those of the stream, in verify mode.
  std::uint64_t mismatches() const noexcept { return mismatches_.load(); }

  void store(engine::ConstWords pfns, std::span<const std::byte> pages) override;

 protected:
  DomainMemory(const Domain& domain, FrameOf frame_of) : chunks_(domain, std::move(frame_of)) {}

  void unmap() { chunks_.clear(); }

 private:
  MappedChunks chunks_;
  Mode mode_ = Mode::kStore;
  std::atomic<std::uint64_t> mismatches_ = 0;
};

// That of an HVM or PVH domain.
class HvmMemory : public DomainMemory {
 public:
  explicit HvmMemory(const Domain& domain);

  // The domain knows better which frames it may have.
  std::uint64_t pfn_count() const noexcept override { return std::uint64_t{1} << 32; }
  void expect(engine::ConstWords pfns, engine::ConstBytes types) override;

 private:
  Physmap physmap_;
};

}  // namespace xenferry::xen
