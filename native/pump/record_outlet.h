#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <span>

namespace xenferry::pump {

// Where one thread's records go.
class RecordOutlet {
 public:
  virtual ~RecordOutlet() = default;

  // Sends a record: its head, then its pages, if it has any; uses `parts` up. Returns how many
  // octets went out, with what the outlet adds. Throws Failure TRANSPORT_LOST or kCancelled.
  virtual std::uint64_t send(std::span<iovec> parts) = 0;
};

// Octets of all `parts`.
inline std::uint64_t bytes_of(std::span<const iovec> parts) {
  std::uint64_t sum = 0;
  for (const iovec& part : parts) sum += part.iov_len;
  return sum;
}

// Drops `byte_count` octets from the front of `parts`, which have so many.
std::span<iovec> without(std::span<iovec> parts, std::size_t byte_count);

}  // namespace xenferry::pump
