#pragma once

#include <mutex>

#include "domain_pv.h"
#include "machine_table.h"
#include "memory.h"
#include "pv_shared.h"

namespace xenferry::xen {

// A vCPU of a stream, to be set when all memory is there.
struct StreamVcpu {
  std::uint32_t vcpu_id;
  VcpuState state;
};

// What is known when a stream of a PV guest has ended.
struct PvEnding {
  std::vector<StreamVcpu> vcpus;
  std::uint32_t store_evtchn;
  std::uint32_t console_evtchn;
};

// Memory of a PV domain under construction. Pages are stored as the stream brings them; page tables
// get their mfns at the end, when all frames have memory and their types are settled.
// Members throw Failure GUEST_HOST_CALL, GUEST_STATE, and RECORD_VALUE where the stream is at
// fault.
class PvMemory : public DomainMemory {
 public:
  // The empty domain becomes one of `width`.
  PvMemory(const Domain& domain, PvWidth width);

  // Takes X86_PV_P2M_FRAMES: `p2m_pfns` hold the entries `start_pfn` to `end_pfn`, as many as these
  // need. It may come again for others, or for more behind those known. Not while pages come.
  void set_p2m_frames(std::uint32_t start_pfn, std::uint32_t end_pfn,
                      std::span<const std::uint64_t> p2m_pfns);

  std::uint64_t pfn_count() const noexcept override { return types_.size(); }
  void expect(engine::ConstWords pfns, engine::ConstBytes types) override;

  void restore_shared_info(ConstPage stream) const;

  // Makes the guest whole: page tables, vCPUs, pins, and the p2m it finds its memory by. No page
  // may come after this. Returns the frames of its rings.
  StartInfoFrames complete(PvEnding ending);

 private:
  FrameWord frame_of(std::uint64_t pfn);
  void populate(std::vector<Pfn> pfns);
  void localise_tables();
  void localise_tables(std::span<const Pfn> pfns);
  StartInfoFrames set_vcpus(PvEnding& ending);
  StartInfoFrames update_start_info(const PvEnding& ending, Mfn mfn);
  void write_p2m();
  PvFrames frames() const { return {m2p_.entries(), p2m_.view()}; }

  PvDomain domain_;
  PvWidth width_;
  MachineTable m2p_;
  // Guards the p2m: pages are stored while others are populated.
  std::mutex populating_;
  P2mTable p2m_;
  // One a pfn, what the stream said last.
  std::vector<std::uint8_t> types_;
  // pfns of the frames that hold the guest's own p2m, in their order.
  std::vector<Pfn> p2m_pfns_;
};

}  // namespace xenferry::xen
