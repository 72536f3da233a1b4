// Hypercalls on PV domains.
#pragma once

#include <optional>

#include "domain.h"
#include "pv_frames.h"
#include "pv_pins.h"

namespace xenferry::xen {

// What a PV vCPU is, as the four X86_PV_VCPU_* records hold it; empty where there is no record.
struct VcpuState {
  Octets basic;
  Octets extended;
  Octets xsave;
  Octets msrs;
};

// Members throw Failure GUEST_HOST_CALL, and GUEST_STATE where Xen refuses what it is given.
class PvDomain {
 public:
  explicit PvDomain(const Domain& domain) : domain_(domain) {}

  const Domain& domain() const noexcept { return domain_; }

  PvWidth width() const;
  // Of an empty domain.
  void set_width(PvWidth width) const;
  // shared_info is one page of Xen's that the guest sees too.
  Mfn shared_info_mfn() const { return domain_.info().shared_info_frame; }
  ForeignPages map_shared_info(int protection) const;

  // One above the highest number a vCPU of it may have.
  std::uint32_t vcpu_count() const { return domain_.info().vcpu_id_max + 1; }
  // None where the vCPU is offline. `basic` is the machine's, of vcpu_layout().size octets.
  std::optional<VcpuState> vcpu(std::uint32_t vcpu_id, PvWidth width) const;
  // `basic` must be the machine's, localised.
  void set_vcpu(std::uint32_t vcpu_id, const VcpuState& state) const;

  void pin(std::span<PinOperation> operations) const;

 private:
  Octets basic_state(std::uint32_t vcpu_id, PvWidth width) const;
  Octets extended_state(std::uint32_t vcpu_id) const;
  Octets xsave_state(std::uint32_t vcpu_id) const;
  Octets msr_state(std::uint32_t vcpu_id) const;
  template <typename Operation>
  Domctl control(std::uint32_t command, const Operation& operation) const;

  const Domain& domain_;
};

// Maps frames of which none may be missing. Throws Failure GUEST_HOST_CALL.
ForeignPages map_whole(const Host& host, std::uint32_t domid, int protection,
                       std::span<const FrameWord> frames);

}  // namespace xenferry::xen
