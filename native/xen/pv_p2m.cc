#include "pv_p2m.h"

#include <array>
#include <cstring>

#include "pv_failure.h"

namespace xenferry::xen {

namespace {

// pfns go into 32-bit fields of X86_PV_P2M_FRAMES.
constexpr std::uint64_t kPfnCountMax = std::uint64_t{1} << 32;

constexpr unsigned kTableShift = 9;

using FrameCopy = std::array<std::uint8_t, kPageBytes>;

constexpr std::size_t frames_for(std::uint64_t pfn_count, PvWidth width) {
  const std::size_t per_frame = p2m_entries_per_frame(width);
  return static_cast<std::size_t>((pfn_count + per_frame - 1) / per_frame);
}

// Where the run of equal frames that ends `mfns` starts. A p2m's unpopulated end refers to one and
// the same frame of empty entries again and again; frames with contents are different ones.
std::size_t start_of_last_run(std::span<const Mfn> mfns) {
  std::size_t start = mfns.size() - 1;
  while (start > 0 && mfns[start - 1] == mfns.back()) --start;
  return start;
}

void check_frame(Mfn mfn, const P2mWalk& walk, const char* fact) {
  if (mfn == 0 || mfn >= walk.mfn_count) throw guest_fault(fact, mfn);
}

void read_frame(Mfn mfn, const P2mWalk& walk, FrameCopy& page, const char* fact) {
  check_frame(mfn, walk, fact);
  if (!walk.read_frame(mfn, page)) throw guest_fault(fact, mfn);
}

// The first `count` words of the frames `lists`, which are lists of frames.
std::vector<Mfn> read_list(std::span<const Mfn> lists, std::size_t count, const P2mWalk& walk,
                           const char* fact) {
  const std::size_t per_frame = p2m_entries_per_frame(walk.width);
  std::vector<Mfn> mfns;
  mfns.reserve(count);
  FrameCopy page;
  for (const Mfn list : lists) {
    read_frame(list, walk, page, fact);
    const P2mView words{page, walk.width};
    for (std::size_t index = 0; index < per_frame && mfns.size() < count; ++index) {
      mfns.push_back(words.mfn_of(index));
      check_frame(mfns.back(), walk, fact);
    }
  }
  return mfns;
}

P2mFrames walk_tree(const P2mLocation& location, const P2mWalk& walk) {
  const std::size_t per_frame = p2m_entries_per_frame(walk.width);
  const std::uint64_t pfns_per_list = per_frame * per_frame;
  std::uint64_t pfn_count = location.pfn_count;
  const std::uint64_t list_count = (pfn_count + pfns_per_list - 1) / pfns_per_list;
  if (list_count > per_frame) throw guest_fault("maxPfn", pfn_count);

  const Mfn root[] = {location.frame_list_list};
  std::vector<Mfn> lists =
      read_list(root, static_cast<std::size_t>(list_count), walk, "frameListList");
  // One of the run is kept.
  lists.resize(start_of_last_run(lists) + 1);
  pfn_count = std::min(pfn_count, lists.size() * pfns_per_list);
  const std::size_t frame_count = frames_for(pfn_count, walk.width);
  return {static_cast<std::size_t>(pfn_count), read_list(lists, frame_count, walk, "frameList")};
}

// The linear form's first and last octet, without the bits above an address space.
struct LinearRange {
  std::uint64_t first;
  std::uint64_t last;
};

// Throws Failure where the range leaves the address space, wraps, or touches what is Xen's.
// Source: HYPERVISOR_VIRT_START and _END in arch-x86/xen-x86_32.h and xen-x86_64.h.
LinearRange linear_range(const P2mLocation& location, PvWidth width) {
  const bool is_wide = width == PvWidth::k64;
  const std::uint64_t mask = is_wide ? 0x0000'ffff'ffff'ffff : 0xffff'ffff;
  const std::uint64_t xen_first = is_wide ? 0xffff'8000'0000'0000 : 0xf580'0000;
  const std::uint64_t xen_last = is_wide ? 0xffff'87ff'ffff'ffff : 0xffff'ffff;
  const auto is_address = [&](std::uint64_t at) {
    if (!is_wide) return at <= mask;
    const auto high = static_cast<std::int64_t>(at) >> 47;
    return high == 0 || high == -1;
  };

  const std::uint64_t first = location.vaddr;
  const std::uint64_t last = first + frames_for(location.pfn_count, width) * kPageBytes - 1;
  const bool touches_xen = first <= xen_last && last >= xen_first;
  if (first % kPageBytes != 0 || !is_address(first) || !is_address(last) || last < first ||
      touches_xen) {
    throw guest_fault("p2mVaddr", first);
  }
  return {first & mask, last & mask};
}

// The frames in entries `first` to `last` of one level, counted over the whole address space;
// `tables` are the tables of that level that these entries are in.
std::vector<Mfn> read_entries(std::span<const Mfn> tables, std::uint64_t first, std::uint64_t last,
                              const P2mWalk& walk) {
  std::vector<Mfn> mfns;
  mfns.reserve(static_cast<std::size_t>(last - first + 1));
  FrameCopy page;
  for (std::uint64_t index = first; index <= last; ++index) {
    const std::uint64_t entry_index = index % kTableEntries;
    if (index == first || entry_index == 0) {
      const std::uint64_t table = (index >> kTableShift) - (first >> kTableShift);
      read_frame(tables[static_cast<std::size_t>(table)], walk, page, "p2mTable");
    }
    std::uint64_t entry;
    std::memcpy(&entry, page.data() + entry_index * sizeof entry, sizeof entry);
    mfns.push_back((entry & 0x000f'ffff'ffff'f000) >> kPageShift);
    check_frame(mfns.back(), walk, "p2mTable");
  }
  return mfns;
}

P2mFrames walk_list(const P2mLocation& location, const P2mWalk& walk) {
  LinearRange range = linear_range(location, walk.width);
  std::uint64_t pfn_count = location.pfn_count;
  std::vector<Mfn> mfns = {frame_of_cr3(location.cr3, walk.width)};
  for (unsigned level = table_levels(walk.width); level > 0; --level) {
    const unsigned shift = kPageShift + (level - 1) * kTableShift;
    mfns = read_entries(mfns, range.first >> shift, range.last >> shift, walk);
    const std::size_t kept = level == 2 ? start_of_last_run(mfns) : 0;
    // A run of one is a frame with contents.
    if (level == 2 && kept > 0 && kept + 1 < mfns.size()) {
      // The run's part of the range is given up; a range may start within its first table.
      range.last = ((((range.first >> shift) + kept) << shift)) - 1;
      mfns.resize(kept);
      const std::uint64_t frames = (range.last - range.first + 1) / kPageBytes;
      pfn_count = std::min(pfn_count, frames * p2m_entries_per_frame(walk.width));
    }
  }
  return {static_cast<std::size_t>(pfn_count), std::move(mfns)};
}

}  // namespace

P2mLocation locate_p2m(std::span<const std::uint8_t, kPageBytes> shared_info, PvWidth width) {
  const SharedInfoLayout& layout = shared_info_layout(width);
  const auto word = [&](std::size_t offset) { return load_word(shared_info, offset, width); };
  return {word(layout.max_pfn), word(layout.frame_list_list), word(layout.p2m_cr3),
          word(layout.p2m_vaddr), word(layout.p2m_generation)};
}

P2mFrames find_p2m(const P2mLocation& location, const P2mWalk& walk) {
  if (location.pfn_count == 0 || location.pfn_count > kPfnCountMax) {
    throw guest_fault("maxPfn", location.pfn_count);
  }
  return location.cr3 != 0 ? walk_list(location, walk) : walk_tree(location, walk);
}

std::vector<Pfn> p2m_pfns(const P2mFrames& p2m, const PvFrames& frames) {
  std::vector<Pfn> pfns;
  pfns.reserve(p2m.mfns.size());
  for (const Mfn mfn : p2m.mfns) {
    const std::optional<Pfn> pfn = frames.pfn_of(mfn);
    if (!pfn) throw guest_fault("p2mFrame", mfn);
    pfns.push_back(*pfn);
  }
  return pfns;
}

}  // namespace xenferry::xen
