#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "counters.h"

namespace xenferry::pump {

// Where one thread's records go.
class RecordOutlet {
 public:
  virtual ~RecordOutlet() = default;

  // Sends a record: its head, then its pages, if it has any; uses `parts` up. Returns how many
  // octets went out, with what the outlet adds. `counters` get the time spent copying, writing and
  // waiting. Throws Failure TRANSPORT_LOST or kCancelled.
  virtual std::uint64_t send(std::span<iovec> parts, const Counters& counters) = 0;
};

// Octets of all `parts`.
inline std::uint64_t bytes_of(std::span<const iovec> parts) {
  std::uint64_t sum = 0;
  for (const iovec& part : parts) sum += part.iov_len;
  return sum;
}

// Drops `byte_count` octets from the front of `parts`, which have so many.
inline std::span<iovec> without(std::span<iovec> parts, std::size_t byte_count) {
  while (!parts.empty() && byte_count >= parts.front().iov_len) {
    byte_count -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (byte_count > 0) {
    iovec& first = parts.front();
    first.iov_base = static_cast<std::byte*>(first.iov_base) + byte_count;
    first.iov_len -= byte_count;
  }
  return parts;
}

}  // namespace xenferry::pump
