// Where a running PV guest keeps its p2m. Everything here was written by the guest.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "pv_frames.h"

namespace xenferry::xen {

// What a guest's shared_info says of its p2m.
struct P2mLocation {
  std::uint64_t pfn_count;   // Its max_pfn, which is a count.
  Mfn frame_list_list;       // Root of the three-level form.
  std::uint64_t cr3;         // Root of the address space of the linear form; 0 where there is none.
  std::uint64_t vaddr;       // Of the linear form.
  std::uint64_t generation;  // Odd while the guest changes the linear form.

  bool operator==(const P2mLocation&) const = default;
};

// Reads one from a shared_info page. The guest may change it meanwhile: read again, and compare,
// after the walk.
P2mLocation locate_p2m(std::span<const std::uint8_t, kPageBytes> shared_info, PvWidth width);

// The frames that a p2m consists of.
struct P2mFrames {
  // Entries worth keeping: not more than the guest said, fewer where its end is never populated.
  std::size_t pfn_count;
  // As many frames as `pfn_count` entries need, in order of pfns.
  std::vector<Mfn> mfns;
};

// Copies a frame of the guest into `page`; false where there is none.
using ReadFrame = std::function<bool(Mfn mfn, std::span<std::uint8_t, kPageBytes> page)>;

struct P2mWalk {
  PvWidth width;
  // Machine frames are below.
  Mfn mfn_count;
  ReadFrame read_frame;
};

// Follows the linear form where there is one, else the three-level one.
// Throws Failure GUEST_FRAMES for addresses outside the guest's own and for frames that do not
// exist. Source: xg_sr_save_x86_pv.c map_p2m_list and map_p2m_tree.
P2mFrames find_p2m(const P2mLocation& location, const P2mWalk& walk);

// The pfns of the frames of a p2m, as X86_PV_P2M_FRAMES lists them.
// Throws Failure GUEST_FRAMES for a frame that is not the guest's.
std::vector<Pfn> p2m_pfns(const P2mFrames& p2m, const PvFrames& frames);

}  // namespace xenferry::xen
