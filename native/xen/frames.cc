#include "frames.h"

#include <sys/mman.h>

#include <algorithm>

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

FrameWindow::FrameWindow(const Domain& domain)
    : domain_(domain),
      pfns_(kFramesMax),
      frames_(kFramesMax),
      types_(kFramesMax),
      page_numbers_(kFramesMax),
      errors_(kFramesMax) {}

void FrameWindow::load(std::size_t frame_count) {
  unload();
  count_ = frame_count;
  std::copy_n(pfns_.begin(), count_, frames_.begin());
  type_frames(domain_, std::span(frames_).first(count_), types_);
  map();
}

void FrameWindow::map() {
  std::uint32_t mapped = 0;
  for (std::size_t entry = 0; entry < count_; ++entry) {
    page_numbers_[entry] = has_data(types_[entry]) ? mapped : kNotMapped;
    if (has_data(types_[entry])) frames_[mapped++] = pfns_[entry];
  }
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

}  // namespace xenferry::xen
