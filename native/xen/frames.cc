#include "frames.h"

#include <sys/mman.h>

#include <algorithm>

#include "pv_failure.h"

namespace xenferry::xen {
namespace {

// Asks the types of up to kTypedFramesMax frames, in place.
void ask_types(const Domain& domain, std::span<FrameWord> words) {
  const Host& host = domain.host();
  const auto count = static_cast<unsigned>(words.size());
  if (host.functions().get_pfn_types(host.control(), domain.domid(), count, words.data()) != 0) {
    throw call_failure("xc_get_pfn_type_batch");
  }
}

}  // namespace

void type_frames(const Domain& domain, std::span<const FrameWord> frames, engine::Bytes out_types) {
  std::array<FrameWord, kTypedFramesMax> words;
  for (std::size_t done = 0; done < frames.size(); done += kTypedFramesMax) {
    const std::span<const FrameWord> part =
        frames.subspan(done, std::min(kTypedFramesMax, frames.size() - done));
    std::ranges::copy(part, words.begin());
    ask_types(domain, std::span(words).first(part.size()));
    for (std::size_t entry = 0; entry < part.size(); ++entry) {
      if ((words[entry] & ~kPageTypeMask) != 0) {
        throw pump::Failure{"GUEST_HOST_CALL", {{"pfn", part[entry]}, {"typeWord", words[entry]}}};
      }
      out_types[done + entry] = static_cast<std::uint8_t>(words[entry] >> kPageTypeShift);
    }
  }
}

FrameWindow::FrameWindow(const Domain& domain, const PvSource* pv)
    : domain_(domain),
      pv_(pv),
      pfns_(kFramesMax),
      frames_(kFramesMax),
      types_(kFramesMax),
      page_numbers_(kFramesMax),
      errors_(kFramesMax) {}

void FrameWindow::load(std::size_t frame_count) {
  unload();
  count_ = frame_count;
  std::transform(pfns_.begin(), pfns_.begin() + static_cast<std::ptrdiff_t>(count_),
                 frames_.begin(), [this](std::uint32_t pfn) {
                   return pv_ == nullptr ? FrameWord{pfn} : pv_->frames().mfn_of(pfn);
                 });
  type_frames(domain_, std::span(frames_).first(count_), types_);
  map();
  if (pv_ != nullptr) copy_tables();
}

const std::uint8_t* FrameWindow::page(std::uint32_t number) const noexcept {
  if (number < mapped_count_) return mapped_pages().data() + number * engine::kPageBytes;
  return reinterpret_cast<const std::uint8_t*>(tables_[number - mapped_count_].data());
}

void FrameWindow::map() {
  std::uint32_t mapped = 0;
  for (std::size_t entry = 0; entry < count_; ++entry) {
    page_numbers_[entry] = has_data(types_[entry]) ? mapped : kNotMapped;
    if (has_data(types_[entry])) frames_[mapped++] = frames_[entry];
  }
  mapped_count_ = mapped;
  if (mapped == 0) return;
  pages_.emplace(domain_.host(), domain_.domid(), PROT_READ,
                 std::span<const FrameWord>(frames_).first(mapped),
                 std::span(errors_).first(mapped));
  for (std::size_t entry = 0; entry < count_; ++entry) {
    if (page_numbers_[entry] == kNotMapped || errors_[page_numbers_[entry]] == 0) continue;
    types_[entry] = kXtab;
    page_numbers_[entry] = kNotMapped;
  }
}

void FrameWindow::copy_tables() {
  tables_.clear();
  for (std::size_t entry = 0; entry < count_; ++entry) {
    const unsigned level = table_level(types_[entry]);
    if (level > 0 && page_numbers_[entry] != kNotMapped) {
      page_numbers_[entry] = copy_table(entry, level);
    }
  }
}

// Number of the table's copy; kInMotion where it cannot be told what it means.
std::uint32_t FrameWindow::copy_table(std::size_t entry, unsigned level) {
  const auto* const words = reinterpret_cast<const std::uint64_t*>(page(page_numbers_[entry]));
  TableCopy copy;
  const TableOutcome outcome =
      normalise_table(ConstTable{words, kTableEntries}, copy, level, pv_->tables());
  switch (outcome.fault) {
    case TableFault::kForeignFrame:
      return kInMotion;
    case TableFault::kSuperpage:
      throw guest_fault("superpageEntry", outcome.entry);
    case TableFault::kLevel:
      throw guest_fault("level4TablePfn", pfns_[entry]);
    case TableFault::kNone:
      break;
  }
  tables_.push_back(copy);
  return mapped_count_ + static_cast<std::uint32_t>(tables_.size()) - 1;
}

}  // namespace xenferry::xen
