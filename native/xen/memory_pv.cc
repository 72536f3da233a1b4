#include "memory_pv.h"

#include <sys/mman.h>

#include <algorithm>

#include "frames.h"
#include "pv_failure.h"

namespace xenferry::xen {

namespace {

// Page tables that are mapped at once.
constexpr std::size_t kTablesMax = 1024;

constexpr bool is_populated(std::uint8_t page_type) {
  return page_type != kBroken && page_type != kXtab;
}

}  // namespace

PvMemory::PvMemory(const Domain& domain, PvWidth width)
    : DomainMemory(domain, [this](std::uint64_t pfn) { return frame_of(pfn); }),
      domain_(domain),
      width_(width),
      m2p_(domain.host()),
      p2m_(width) {
  if (domain_.width() != width) domain_.set_width(width);
}

void PvMemory::set_p2m_frames(std::uint32_t start_pfn, std::uint32_t end_pfn,
                              std::span<const std::uint64_t> p2m_pfns) {
  const std::size_t per_frame = p2m_entries_per_frame(width_);
  const std::size_t first = start_pfn / per_frame;
  const std::size_t end = end_pfn / per_frame + 1;
  if (start_pfn > end_pfn || p2m_pfns.size() != end - first) {
    throw stream_fault("p2mFrames", p2m_pfns.size());
  }
  // Without gaps, memory grows with what has come.
  if (first > p2m_pfns_.size()) throw stream_fault("startPfn", start_pfn);
  const std::size_t pfn_count = std::size_t{end_pfn} + 1;
  p2m_.grow(pfn_count);
  if (pfn_count > types_.size()) types_.resize(pfn_count, kNotab);
  if (end > p2m_pfns_.size()) p2m_pfns_.resize(end);
  std::ranges::copy(p2m_pfns, p2m_pfns_.begin() + static_cast<std::ptrdiff_t>(first));
}

void PvMemory::expect(engine::ConstWords pfns, engine::ConstBytes types) {
  std::vector<Pfn> missing;
  for (std::size_t entry = 0; entry < pfns.size(); ++entry) {
    const std::uint32_t pfn = pfns[entry];
    if (pfn >= types_.size()) throw stream_fault("pfn", pfn);
    types_[pfn] = types[entry] == kXalloc ? kNotab : types[entry];
    if (is_populated(types[entry]) && p2m_.view().mfn_of(pfn) == kNoMfn) missing.push_back(pfn);
  }
  populate(std::move(missing));
}

FrameWord PvMemory::frame_of(std::uint64_t pfn) {
  const std::lock_guard<std::mutex> populating(populating_);
  return p2m_.view().mfn_of(pfn);
}

// Gives memory to `pfns`, which have none.
void PvMemory::populate(std::vector<Pfn> pfns) {
  if (pfns.empty()) return;
  std::ranges::sort(pfns);
  pfns.erase(std::unique(pfns.begin(), pfns.end()), pfns.end());
  const Host& host = domain_.domain().host();
  std::vector<FrameWord> mfns(pfns.begin(), pfns.end());
  const int populated = host.functions().populate(host.control(), domain_.domain().domid(),
                                                  mfns.size(), 0, 0, mfns.data());
  if (populated < 0) throw call_failure("xc_domain_populate_physmap");
  if (static_cast<std::size_t>(populated) != pfns.size()) {
    throw pump::Failure{"GUEST_HOST_CALL",
                        {{"populatedPages", static_cast<std::uint64_t>(populated)},
                         {"wantedPages", pfns.size()},
                         {"firstPfn", pfns.front()}}};
  }
  const std::lock_guard<std::mutex> populating(populating_);
  for (std::size_t entry = 0; entry < pfns.size(); ++entry) p2m_.set(pfns[entry], mfns[entry]);
}

void PvMemory::restore_shared_info(ConstPage stream) const {
  const ForeignPages page = domain_.map_shared_info(PROT_READ | PROT_WRITE);
  xen::restore_shared_info(stream, page.bytes().first<kPageBytes>(), width_);
}

// Xen checks page tables when they are pinned or become a vCPU's: nothing may then be mapped to be
// written. Source: xg_sr_restore_x86_pv.c x86_pv_stream_complete.
StartInfoFrames PvMemory::complete(PvEnding ending) {
  unmap();
  localise_tables();
  const StartInfoFrames rings = set_vcpus(ending);
  pin_tables(types_, frames(), [this](std::span<PinOperation> pins) { domain_.pin(pins); });
  write_p2m();
  return rings;
}

void PvMemory::localise_tables() {
  std::vector<Pfn> tables;
  for (Pfn pfn = 0; pfn < types_.size(); ++pfn) {
    if (table_level(types_[pfn]) == 0) continue;
    tables.push_back(pfn);
    if (tables.size() == kTablesMax) {
      localise_tables(tables);
      tables.clear();
    }
  }
  if (!tables.empty()) localise_tables(tables);
}

void PvMemory::localise_tables(std::span<const Pfn> pfns) {
  const Domain& domain = domain_.domain();
  std::vector<FrameWord> mfns(pfns.size());
  std::ranges::transform(pfns, mfns.begin(), [this](Pfn pfn) { return p2m_.view().mfn_of(pfn); });
  const ForeignPages pages = map_whole(domain.host(), domain.domid(), PROT_READ | PROT_WRITE, mfns);
  const auto table_at = [&](std::size_t index) {
    auto* const words = reinterpret_cast<std::uint64_t*>(pages.bytes().data());
    return Table{words + index * kTableEntries, kTableEntries};
  };
  std::vector<Pfn> missing;
  for (std::size_t index = 0; index < pfns.size(); ++index) {
    append_missing_pfns(table_at(index), p2m_.view(), missing);
  }
  populate(std::move(missing));
  for (std::size_t index = 0; index < pfns.size(); ++index) {
    const TableOutcome outcome = localise_table(table_at(index), frames());
    if (outcome.fault != TableFault::kNone) throw stream_fault("tableEntry", outcome.entry);
  }
}

StartInfoFrames PvMemory::set_vcpus(PvEnding& ending) {
  std::ranges::sort(ending.vcpus, {}, &StreamVcpu::vcpu_id);
  if (ending.vcpus.empty() || ending.vcpus.front().vcpu_id != 0) {
    throw stream_fault("firstVcpuId", ending.vcpus.empty() ? ~0u : ending.vcpus.front().vcpu_id);
  }
  const std::uint32_t vcpu_count = domain_.vcpu_count();
  StartInfoFrames rings{};
  for (StreamVcpu& vcpu : ending.vcpus) {
    if (vcpu.vcpu_id >= vcpu_count) throw stream_fault("vcpuId", vcpu.vcpu_id);
    localise_vcpu(vcpu.state.basic, vcpu.vcpu_id, frames(), types_);
    if (vcpu.vcpu_id == 0) {
      rings = update_start_info(ending, start_info_mfn(vcpu.state.basic, width_));
    }
    domain_.set_vcpu(vcpu.vcpu_id, vcpu.state);
  }
  return rings;
}

StartInfoFrames PvMemory::update_start_info(const PvEnding& ending, Mfn mfn) {
  const Domain& domain = domain_.domain();
  const FrameWord mfns[] = {mfn};
  const ForeignPages page = map_whole(domain.host(), domain.domid(), PROT_READ | PROT_WRITE, mfns);
  const StartInfoValues values = {ending.store_evtchn, ending.console_evtchn,
                                  domain_.shared_info_mfn()};
  return localise_start_info(page.bytes().first<kPageBytes>(), values, frames());
}

void PvMemory::write_p2m() {
  std::vector<FrameWord> mfns;
  mfns.reserve(p2m_pfns_.size());
  for (const Pfn pfn : p2m_pfns_) {
    mfns.push_back(checked_mfn(pfn, kNotab, frames(), types_, "p2mPfn"));
  }
  const Domain& domain = domain_.domain();
  const ForeignPages pages = map_whole(domain.host(), domain.domid(), PROT_READ | PROT_WRITE, mfns);
  std::ranges::copy(p2m_.bytes(), pages.bytes().begin());
}

}  // namespace xenferry::xen
