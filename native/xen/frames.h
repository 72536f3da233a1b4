#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "domain.h"
#include "source_pv.h"

namespace xenferry::xen {

// Page types of the stream. Source: src/format/page-type.ts.
inline constexpr std::uint8_t kNotab = 0x0;
inline constexpr std::uint8_t kBroken = 0xd;
inline constexpr std::uint8_t kXalloc = 0xe;
inline constexpr std::uint8_t kXtab = 0xf;

constexpr bool has_data(std::uint8_t page_type) { return page_type < kBroken; }

// Asks what kind of page each of `frames` is; the entries of `out_types` are the stream's types.
// Throws Failure GUEST_HOST_CALL.
void type_frames(const Domain& domain, std::span<const FrameWord> frames, engine::Bytes out_types);

// Frames of a domain on their way out: what they are, and their pages mapped, or copied with pfns
// for mfns where they are page tables of a PV domain. Reused.
class FrameWindow {
 public:
  // 64 MiB: mapping takes a few calls for each, so many pages share them.
  static constexpr std::size_t kFramesMax = 16 * 1024;
  static constexpr std::uint32_t kNotMapped = ~0u;
  // Of a page table with an entry that is not the guest's, as it has in the middle of a change.
  static constexpr std::uint32_t kInMotion = ~0u - 1;

  // `pv` is null for domains that know no machine frames.
  FrameWindow(const Domain& domain, const PvSource* pv);

  // Where a scan puts frame numbers, rising.
  engine::Words room() noexcept { return pfns_; }

  // Takes the first `frame_count` of them, asks their types and maps what holds data. A frame that
  // went away meanwhile is of type XTAB.
  void load(std::size_t frame_count);
  void unload() noexcept { pages_.reset(); }

  std::size_t size() const noexcept { return count_; }
  std::uint32_t pfn(std::size_t entry) const noexcept { return pfns_[entry]; }
  std::uint8_t type(std::size_t entry) const noexcept { return types_[entry]; }
  // Number of the entry's page; kNotMapped where it has no data.
  std::uint32_t page_of(std::size_t entry) const noexcept { return page_numbers_[entry]; }
  // The page of a number, good until the next load.
  const std::uint8_t* page(std::uint32_t number) const noexcept;
  // Pages that are sent as they are mapped, by their numbers: all but page tables.
  engine::ConstBytes mapped_pages() const noexcept {
    return pages_.has_value() ? engine::ConstBytes(pages_->bytes()) : engine::ConstBytes{};
  }

 private:
  using TableCopy = std::array<std::uint64_t, kTableEntries>;

  void map();
  void copy_tables();
  std::uint32_t copy_table(std::size_t entry, unsigned level);

  const Domain& domain_;
  const PvSource* const pv_;
  std::size_t count_ = 0;
  std::vector<std::uint32_t> pfns_;
  std::vector<FrameWord> frames_;
  std::vector<std::uint8_t> types_;
  std::vector<std::uint32_t> page_numbers_;
  std::vector<int> errors_;
  std::optional<ForeignPages> pages_;
  std::uint32_t mapped_count_ = 0;
  std::vector<TableCopy> tables_;
};

}  // namespace xenferry::xen
