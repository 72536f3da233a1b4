// Two pages that a restored PV guest finds itself by: shared_info and start_info.
#pragma once

#include <span>

#include "pv_vcpu.h"

namespace xenferry::xen {

using Page = std::span<std::uint8_t, kPageBytes>;
using ConstPage = std::span<const std::uint8_t, kPageBytes>;

// Copies what survives of a stream's SHARED_INFO into the guest's: vCPUs and architecture. No event
// is pending, all are masked, and the p2m's frame lists are none until the guest makes them again.
// Source: xg_sr_restore_x86_pv.c handle_shared_info.
void restore_shared_info(ConstPage stream, Page guest, PvWidth width);

// What the new domain has.
struct StartInfoValues {
  std::uint32_t store_evtchn;
  std::uint32_t console_evtchn;
  Mfn shared_info_mfn;
};

// What the toolstack wants to know.
struct StartInfoFrames {
  Mfn store;
  Mfn console;
};

// Brings a suspended guest's start_info up to date; pfns of the two rings, which the guest put
// there before it suspended, become mfns. Throws Failure RECORD_VALUE for pfns without memory.
// Source: xg_sr_restore_x86_pv.c process_start_info.
StartInfoFrames localise_start_info(Page start_info, const StartInfoValues& values,
                                    const PvFrames& frames);

}  // namespace xenferry::xen
