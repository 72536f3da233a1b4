#pragma once

#include <optional>

#include "domain_pv.h"
#include "machine_table.h"
#include "pv_p2m.h"
#include "pv_tables.h"

namespace xenferry::xen {

// What a PV domain's frames are translated by while it is saved: Xen's table, and its own, which it
// goes on writing. Members throw Failure GUEST_HOST_CALL and GUEST_FRAMES.
class PvSource {
 public:
  explicit PvSource(const Domain& domain);

  const PvDomain& domain() const noexcept { return domain_; }
  PvWidth width() const noexcept { return width_; }
  // pfns are below; the same until `reload`.
  std::size_t pfn_count() const noexcept { return p2m_->pfn_count; }
  const PvFrames& frames() const noexcept { return p2m_->frames; }
  TableContext tables() const noexcept { return {p2m_->frames, compat_m2p_mfn_}; }
  // Frames the p2m is in, as X86_PV_P2M_FRAMES lists them.
  const std::vector<Pfn>& p2m_pfns() const noexcept { return p2m_->pfns; }
  engine::ConstBytes shared_info() const noexcept { return shared_info_.bytes(); }

  // Whether the guest has moved or resized a linear p2m since it was found: what was sent by it is
  // then worth nothing. Frame lists say nothing of such changes.
  // Source: xg_sr_save_x86_pv.c x86_pv_check_vm_state.
  bool has_moved() const;
  // Finds the p2m again.
  void reload();

  // A vCPU with pfns for mfns; none where it is offline.
  std::optional<VcpuState> vcpu(std::uint32_t vcpu_id) const;

 private:
  // The guest's p2m, as it was found.
  struct P2m {
    P2mLocation location;
    std::size_t pfn_count;
    ForeignPages pages;
    PvFrames frames;
    std::vector<Pfn> pfns;
  };

  P2mLocation location() const;
  P2m load() const;
  bool read_frame(Mfn mfn, std::span<std::uint8_t, kPageBytes> page) const;

  PvDomain domain_;
  PvWidth width_;
  MachineTable m2p_;
  Mfn compat_m2p_mfn_;
  ForeignPages shared_info_;
  std::optional<P2m> p2m_;
};

}  // namespace xenferry::xen
