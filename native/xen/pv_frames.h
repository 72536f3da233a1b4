#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <vector>

#include "pv_layout.h"

namespace xenferry::xen {

using Pfn = std::uint64_t;
using Mfn = std::uint64_t;

// No machine frame, and what a p2m of either width has where nothing is populated.
inline constexpr Mfn kNoMfn = ~std::uint64_t{0};

// A guest's pfn -> mfn table, in words of the guest's width. A view: on save of the guest's own
// memory, which it may change at any moment and fill with anything.
class P2mView {
 public:
  P2mView(engine::ConstBytes bytes, PvWidth width) : bytes_(bytes), width_(width) {}

  // Entries; pfns are below.
  std::size_t size() const noexcept { return bytes_.size() / word_bytes(width_); }
  PvWidth width() const noexcept { return width_; }

  // kNoMfn beyond the end too.
  Mfn mfn_of(Pfn pfn) const noexcept {
    if (pfn >= size()) return kNoMfn;
    if (width_ == PvWidth::k64) return load<std::uint64_t>(pfn);
    const std::uint32_t mfn = load<std::uint32_t>(pfn);
    return mfn == ~std::uint32_t{0} ? kNoMfn : mfn;
  }

 private:
  // Volatile, so that a value which was checked is the value that is used.
  template <typename Word>
  Word load(Pfn pfn) const noexcept {
    return reinterpret_cast<const volatile Word*>(bytes_.data())[pfn];
  }

  engine::ConstBytes bytes_;
  PvWidth width_;
};

// The p2m a restore makes while it populates; its octets go into the guest at the end.
class P2mTable {
 public:
  explicit P2mTable(PvWidth width) : width_(width) {}

  // Makes room for pfns below `pfn_count`, nothing populated; never shrinks.
  void grow(std::size_t pfn_count) {
    const std::size_t bytes = pfn_count * word_bytes(width_);
    if (bytes > bytes_.size()) bytes_.resize(bytes, 0xff);
  }

  // `pfn` must be below size().
  void set(Pfn pfn, Mfn mfn) { store_word(bytes_, pfn * word_bytes(width_), width_, mfn); }

  engine::ConstBytes bytes() const noexcept { return bytes_; }
  P2mView view() const noexcept { return {bytes_, width_}; }

 private:
  PvWidth width_;
  std::vector<std::uint8_t> bytes_;
};

// Both directions between machine and pseudophysical frames of one guest.
class PvFrames {
 public:
  // `m2p`: Xen's table, one word a machine frame. Both are views.
  // Source: MACH2PHYS in xen/include/public/arch-x86/xen-x86_64.h.
  PvFrames(std::span<const std::uint64_t> m2p, P2mView p2m) : m2p_(m2p), p2m_(p2m) {}

  PvWidth width() const noexcept { return p2m_.width(); }
  std::size_t pfn_count() const noexcept { return p2m_.size(); }
  Mfn mfn_of(Pfn pfn) const noexcept { return p2m_.mfn_of(pfn); }

  // The guest's pfn of `mfn`; none unless both tables say that the frame is the guest's.
  std::optional<Pfn> pfn_of(Mfn mfn) const noexcept {
    if (mfn >= m2p_.size()) return std::nullopt;
    const Pfn pfn = static_cast<const volatile std::uint64_t&>(m2p_[mfn]);
    if (pfn >= p2m_.size() || p2m_.mfn_of(pfn) != mfn) return std::nullopt;
    return pfn;
  }

 private:
  std::span<const std::uint64_t> m2p_;
  P2mView p2m_;
};

// The frame in a cr3. A 32-bit guest's holds frames above 4 GiB rotated into its low bits; a wider
// value is none. Source: xen_cr3_to_pfn in arch-x86/xen-x86_32.h and xen-x86_64.h.
constexpr Mfn frame_of_cr3(std::uint64_t cr3, PvWidth width) {
  if (width == PvWidth::k64) return cr3 >> kPageShift;
  if (cr3 >> 32 != 0) return kNoMfn;
  return std::rotr(static_cast<std::uint32_t>(cr3), kPageShift);
}

// The cr3 of a frame; for a 32-bit guest only frames below 2^32 have one.
constexpr std::uint64_t cr3_of_frame(std::uint64_t frame, PvWidth width) {
  if (width == PvWidth::k64) return frame << kPageShift;
  return std::rotl(static_cast<std::uint32_t>(frame), kPageShift);
}

}  // namespace xenferry::xen
