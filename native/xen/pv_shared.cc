#include "pv_shared.h"

#include <cstring>

#include "pv_failure.h"

namespace xenferry::xen {

namespace {

void store_u32(Page page, std::size_t offset, std::uint32_t value) {
  std::memcpy(page.data() + offset, &value, sizeof value);
}

void copy_part(ConstPage from, Page to, std::size_t offset, std::size_t size) {
  std::memcpy(to.data() + offset, from.data() + offset, size);
}

// Replaces the pfn at `offset` by its mfn, and returns that.
Mfn localise_ring(Page page, std::size_t offset, const PvFrames& frames, const char* fact) {
  const Pfn pfn = load_word(page, offset, frames.width());
  const Mfn mfn = frames.mfn_of(pfn);
  if (!frames.pfn_of(mfn)) throw stream_fault(fact, pfn);
  store_word(page, offset, frames.width(), mfn);
  return mfn;
}

}  // namespace

void restore_shared_info(ConstPage stream, Page guest, PvWidth width) {
  const SharedInfoLayout& layout = shared_info_layout(width);
  copy_part(stream, guest, 0, kLegacyVcpusMax * kVcpuInfoBytes);
  copy_part(stream, guest, layout.arch, layout.arch_bytes);
  store_word(guest, layout.frame_list_list, width, 0);
  for (std::size_t vcpu = 0; vcpu < kLegacyVcpusMax; ++vcpu) {
    store_word(guest, vcpu * kVcpuInfoBytes + layout.evtchn_pending_sel, width, 0);
  }
  std::memset(guest.data() + layout.evtchn_pending, 0, layout.evtchn_bytes);
  std::memset(guest.data() + layout.evtchn_mask, 0xff, layout.evtchn_bytes);
}

StartInfoFrames localise_start_info(Page page, const StartInfoValues& values,
                                    const PvFrames& frames) {
  const PvWidth width = frames.width();
  const StartInfoLayout& layout = start_info_layout(width);
  const Mfn store = localise_ring(page, layout.store_mfn, frames, "storePfn");
  const Mfn console = localise_ring(page, layout.console_mfn, frames, "consolePfn");
  store_u32(page, layout.store_evtchn, values.store_evtchn);
  store_u32(page, layout.console_evtchn, values.console_evtchn);
  store_word(page, layout.nr_pages, width, frames.pfn_count());
  store_word(page, layout.shared_info, width, values.shared_info_mfn << kPageShift);
  store_u32(page, layout.flags, 0);
  return {store, console};
}

}  // namespace xenferry::xen
