// The fake's PV domains: their frames are machine frames, of which Xen's own table is domain
// 32754's memory. Of PV domain N the folder has besides: N.width (4 or 8), N.shared (the frame of
// shared_info), N.vcpus (how many), N.basic-V, N.extended-V, N.xsave-V, N.msrs-V of each vCPU V.
#pragma once

#include <cstdint>

namespace fake_xen {

constexpr std::uint32_t kXen = 0x7ff2;

bool is_pv(std::uint32_t domid);

// Gives each of `pfns` a machine frame, which replaces it.
int populate_pv(std::uint32_t domid, unsigned long count, std::uint64_t* pfns);

}  // namespace fake_xen
