#include "source_pv.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <thread>

#include "pv_failure.h"

namespace xenferry::xen {

namespace {

// How often, and after what time, a p2m is looked for again that changes meanwhile.
constexpr int kAttempts = 50;
constexpr std::chrono::milliseconds kPause{2};

constexpr bool is_changing(const P2mLocation& location) { return location.generation % 2 == 1; }

}  // namespace

PvSource::PvSource(const Domain& domain)
    : domain_(domain),
      width_(domain_.width()),
      m2p_(domain.host()),
      compat_m2p_mfn_(width_ == PvWidth::k32 ? compat_m2p_mfn(domain.host()) : kNoMfn),
      shared_info_(domain_.map_shared_info(PROT_READ)) {
  reload();
}

P2mLocation PvSource::location() const {
  return locate_p2m(shared_info_.bytes().first<kPageBytes>(), width_);
}

bool PvSource::has_moved() const { return p2m_->location.cr3 != 0 && location() != p2m_->location; }

void PvSource::reload() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (!is_changing(location())) {
      P2m found = load();
      const bool is_steady = found.location == location();
      p2m_.reset();
      p2m_.emplace(std::move(found));
      if (is_steady) return;
    }
    std::this_thread::sleep_for(kPause);
  }
  throw guest_fault("p2mGeneration", location().generation);
}

PvSource::P2m PvSource::load() const {
  const P2mLocation found = location();
  const P2mWalk walk{
      width_, m2p_.entries().size(),
      [this](Mfn mfn, std::span<std::uint8_t, kPageBytes> page) { return read_frame(mfn, page); }};
  const P2mFrames leaves = find_p2m(found, walk);
  const Domain& domain = domain_.domain();
  const std::vector<FrameWord> mfns(leaves.mfns.begin(), leaves.mfns.end());
  ForeignPages pages = map_whole(domain.host(), domain.domid(), PROT_READ, mfns);
  const engine::ConstBytes entries = pages.bytes().first(leaves.pfn_count * word_bytes(width_));
  const PvFrames frames{m2p_.entries(), {entries, width_}};
  return {found, leaves.pfn_count, std::move(pages), frames, xen::p2m_pfns(leaves, frames)};
}

bool PvSource::read_frame(Mfn mfn, std::span<std::uint8_t, kPageBytes> page) const {
  const Domain& domain = domain_.domain();
  const FrameWord frames[] = {mfn};
  std::array<int, 1> errors{};
  try {
    const ForeignPages mapped{domain.host(), domain.domid(), PROT_READ, frames, errors};
    if (errors[0] == 0) std::ranges::copy(mapped.bytes(), page.begin());
    return errors[0] == 0;
  } catch (const pump::Failure&) {
    return false;
  }
}

std::optional<VcpuState> PvSource::vcpu(std::uint32_t vcpu_id) const {
  std::optional<VcpuState> state = domain_.vcpu(vcpu_id, width_);
  if (state) normalise_vcpu(state->basic, vcpu_id, frames());
  return state;
}

}  // namespace xenferry::xen
