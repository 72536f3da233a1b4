#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "../pump/page_target.h"
#include "physmap.h"

namespace xenferry::xen {

// 4 MiB of a domain's frames, mapped as far as they have memory.
struct MappedChunk {
  static constexpr std::size_t kFrames = 1024;

  MappedChunk(const Domain& domain, std::uint32_t number);

  // Domain's frames number * kFrames and on; what is not mapped must not be touched.
  ForeignPages pages;
  std::bitset<kFrames> mapped;

 private:
  struct Mapping {
    ForeignPages pages;
    std::bitset<kFrames> mapped;
  };
  explicit MappedChunk(Mapping mapping);
  static Mapping map(const Domain& domain, std::uint32_t number);
};

// Memory of a domain under construction, with mappings that are kept: later iterations bring the
// same pages again. Any thread may take chunks.
class MappedChunks {
 public:
  explicit MappedChunks(const Domain& domain) : domain_(domain) {}

  // The chunk with `pfn`, which is mapped; good for as long as it is held.
  // Throws Failure GUEST_HOST_CALL where the frame cannot be mapped.
  std::shared_ptr<const MappedChunk> with_frame(std::uint32_t pfn);

 private:
  // 16 GiB; a process has room for 65,530 mappings.
  static constexpr std::size_t kChunksMax = 4096;

  void make_room();

  const Domain& domain_;
  std::mutex mapping_;
  std::unordered_map<std::uint32_t, std::shared_ptr<const MappedChunk>> chunks_;
  // Numbers of the chunks, the oldest first.
  std::list<std::uint32_t> ages_;
};

// What pages of a stream go into: an HVM domain under construction.
class DomainMemory : public pump::PageTarget {
 public:
  // Whether pages are stored, or compared with those that are there.
  enum class Mode { kStore, kVerify };

  explicit DomainMemory(const Domain& domain) : physmap_(domain), chunks_(domain) {}

  // Before pages come, and not while they do.
  void set_mode(Mode mode) noexcept { mode_ = mode; }
  // Pages that were other than those of the stream, in verify mode.
  std::uint64_t mismatches() const noexcept { return mismatches_.load(); }

  // The domain knows better which frames it may have.
  std::uint64_t pfn_count() const noexcept override { return std::uint64_t{1} << 32; }
  void expect(engine::ConstWords pfns, engine::ConstBytes types) override;
  void store(engine::ConstWords pfns, std::span<const std::byte> pages) override;

 private:
  Physmap physmap_;
  MappedChunks chunks_;
  Mode mode_ = Mode::kStore;
  std::atomic<std::uint64_t> mismatches_ = 0;
};

}  // namespace xenferry::xen
