#pragma once

#include "host.h"
#include "pv_frames.h"

namespace xenferry::xen {

// Xen's table from machine frames to pfns, mapped to read as long as this is there.
class MachineTable {
 public:
  // Throws Failure GUEST_HOST_CALL.
  explicit MachineTable(const Host& host);

  // One entry a machine frame.
  std::span<const std::uint64_t> entries() const noexcept {
    return {reinterpret_cast<const std::uint64_t*>(pages_.bytes().data()), entry_count_};
  }

 private:
  std::size_t entry_count_;
  ForeignPages pages_;
};

// First frame of the table as 32-bit guests see it. Throws Failure GUEST_HOST_CALL.
Mfn compat_m2p_mfn(const Host& host);

}  // namespace xenferry::xen
