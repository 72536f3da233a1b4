#include "machine_table.h"

#include <sys/mman.h>

#include <cstring>

#include "domain_pv.h"
#include "hypercall_memory.h"

namespace xenferry::xen {

namespace {

// The table is in pieces of 2 MiB, of which Xen names the first frame each.
constexpr std::size_t kPieceFrames = 512;
constexpr std::size_t kEntriesPerPiece = kPieceFrames * kPageBytes / sizeof(std::uint64_t);

// XENMEM_machphys_compat_mfn_list. Source: public/memory.h.
constexpr unsigned kCompatListCommand = 25;

// xen_machphys_mfn_list
struct MfnList {
  std::uint32_t extents_max;
  std::uint32_t padding;
  std::uint64_t extents;
  std::uint32_t extent_count;
  std::uint32_t padding_at_end;
};
static_assert(sizeof(MfnList) == 24);

std::size_t machine_frame_count(const Host& host) {
  FrameWord last = 0;
  if (host.functions().maximum_ram_page(host.control(), &last) < 0) {
    throw call_failure("xc_maximum_ram_page");
  }
  return last + 1;
}

std::vector<FrameWord> frames_of_table(const Host& host, std::size_t entry_count) {
  const std::size_t piece_count = (entry_count + kEntriesPerPiece - 1) / kEntriesPerPiece;
  std::vector<FrameWord> pieces(piece_count);
  if (host.functions().machphys_mfn_list(host.control(), piece_count, pieces.data()) != 0) {
    throw call_failure("xc_machphys_mfn_list");
  }
  std::vector<FrameWord> frames;
  frames.reserve(piece_count * kPieceFrames);
  for (const FrameWord piece : pieces) {
    for (std::size_t frame = 0; frame < kPieceFrames; ++frame) frames.push_back(piece + frame);
  }
  return frames;
}

}  // namespace

MachineTable::MachineTable(const Host& host)
    : entry_count_(machine_frame_count(host)),
      pages_(map_whole(host, kDomidXen, PROT_READ, frames_of_table(host, entry_count_))) {}

Mfn compat_m2p_mfn(const Host& host) {
  const HypercallMemory memory{host, sizeof(Mfn)};
  MfnList list{1, 0, memory.address(), 0, 0};
  const long result =
      host.functions().memory_op(host.control(), kCompatListCommand, &list, sizeof list);
  if (result != 0 || list.extent_count != 1) throw call_failure("XENMEM_machphys_compat_mfn_list");
  return engine::load_u64(memory.bytes().data());
}

}  // namespace xenferry::xen
