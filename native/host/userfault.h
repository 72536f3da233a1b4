// Writes seen by userfaultfd write-protection, which another process reads with PAGEMAP_SCAN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "../unique_fd.h"

namespace xenferry::host {

// Tracks writes to mapped memory of this process for as long as the result is open. An ordinary
// user may: faults are of user mode, and in the asynchronous mode the kernel resolves them itself.
// Throws std::system_error, naming the call that old kernels refuse.
UniqueFd track_writes(std::uint64_t address, std::size_t size_bytes);

// Why writes cannot be tracked so on this machine; empty where they can.
std::string write_tracking_obstacle();

}  // namespace xenferry::host
