// The frames in a PV vCPU's context, between machine and stream.
#pragma once

#include <span>

#include "pv_frames.h"

namespace xenferry::xen {

// Page types that a restore has seen, one a pfn, as in PAGE_DATA.
using PageTypes = engine::ConstBytes;

// Replaces mfns by pfns in a vCPU's vcpu_guest_context, of vcpu_layout(width).size octets: cr3, the
// user's tables of 64-bit guests in cr1, the GDT's frames, and of vCPU 0 of a suspended guest the
// frame of start_info. Throws Failure GUEST_FRAMES for frames that are not the guest's.
// Source: xg_sr_save_x86_pv.c write_one_vcpu_basic.
void normalise_vcpu(engine::Bytes context, std::uint32_t vcpu_id, const PvFrames& frames);

// The reverse; also sets the vCPU online. Roots of page tables must be of a root's type, the others
// of none. Throws Failure RECORD_VALUE for pfns out of range, of a wrong type, or without memory.
// Source: xg_sr_restore_x86_pv.c process_vcpu_basic, process_start_info.
void localise_vcpu(engine::Bytes context, std::uint32_t vcpu_id, const PvFrames& frames,
                   PageTypes types);

// Frame of start_info in the localised context of vCPU 0.
Mfn start_info_mfn(engine::ConstBytes context, PvWidth width);

// The mfn of `pfn`, which must be in range, of page type `type` pinned or not, and have memory.
// Throws Failure RECORD_VALUE with `fact`.
Mfn checked_mfn(Pfn pfn, std::uint8_t type, const PvFrames& frames, PageTypes types,
                const char* fact);

}  // namespace xenferry::xen
