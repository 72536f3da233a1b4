#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "../engine/dispatch.h"
#include "../engine/types.h"
#include "cancel.h"

namespace xenferry::pump {

// Pages that lie behind each other in a file.
struct PageRange {
  std::uint64_t offset = 0;
  std::size_t page_count = 0;
};

// Writes the checksum of each page of `ranges` to `out_crcs`, which has room for all, by several
// threads. `fd`: a regular file of the caller's, whose position is not used.
// Throws Failure STREAM_TRUNCATED, TRANSPORT_LOST or kCancelled.
void checksum_file(int fd, std::span<const PageRange> ranges, engine::Words out_crcs,
                   const engine::Operations& operations, std::size_t thread_count,
                   const Cancel& cancel);

}  // namespace xenferry::pump
