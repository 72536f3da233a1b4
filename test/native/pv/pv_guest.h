// A PV guest made by hand: its two tables, and the frames it consists of.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "../../../native/xen/pv_frames.h"

namespace xenferry::test {

using namespace xen;

struct FakeGuest {
  static constexpr std::size_t kMachineFrames = 0x4000;
  // What Xen's table says of frames that are nobody's.
  static constexpr std::uint64_t kNobodys = 0x5555'5555'5555'5555;

  PvWidth width;
  std::vector<std::uint64_t> m2p = std::vector<std::uint64_t>(kMachineFrames, kNobodys);
  P2mTable p2m;

  FakeGuest(PvWidth width_of_guest, std::size_t pfn_count)
      : width(width_of_guest), p2m(width_of_guest) {
    p2m.grow(pfn_count);
  }

  void populate(Pfn pfn, Mfn mfn) {
    m2p[mfn] = pfn;
    p2m.set(pfn, mfn);
  }

  PvFrames frames() const { return {m2p, p2m.view()}; }
};

// Frames of a machine by number, of words of one width.
class FakeMemory {
 public:
  explicit FakeMemory(PvWidth width) : width_(width) {}

  void set_word(Mfn mfn, std::size_t index, std::uint64_t value) {
    store_word(frames_[mfn], index * word_bytes(width_), width_, value);
  }
  // Page tables have 64-bit entries at either width.
  void set_entry(Mfn mfn, std::size_t index, std::uint64_t entry) {
    engine::store_u64(frames_[mfn].data() + index * 8, entry);
  }
  bool read(Mfn mfn, engine::Bytes page) const {
    const auto found = frames_.find(mfn);
    if (found == frames_.end()) return false;
    std::copy(found->second.begin(), found->second.end(), page.begin());
    return true;
  }

 private:
  PvWidth width_;
  std::map<Mfn, std::array<std::uint8_t, kPageBytes>> frames_;
};

}  // namespace xenferry::test
