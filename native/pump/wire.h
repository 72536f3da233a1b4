#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cancel.h"
#include "counters.h"
#include "record_outlet.h"

// Octets to and from descriptors, blocking or not: sockets, pipes, files. A wait ends at once when
// it is cancelled. Descriptors are the caller's.
namespace xenferry::pump {

// Where a stream goes.
class Outlet final : public RecordOutlet {
 public:
  // `position` is where a file goes on; none for sockets and pipes.
  // Where the kernel cannot take memory as it is mapped (another domain's pages cannot be pinned,
  // as 9p and others want), copies go out, from then on. A unix socket gets more room than it has
  // by default, as far as this user may give it.
  Outlet(int fd, std::optional<std::uint64_t> position, const Cancel& cancel);

  // Writes all parts in order, however little the kernel takes at a time; uses `parts` up.
  std::uint64_t send(std::span<iovec> parts, const Counters& counters) override;

 private:
  ssize_t write_some(std::span<const iovec> parts, const Counters& counters);
  iovec copy_of(std::span<const iovec> parts);

  int fd_;
  std::optional<std::uint64_t> position_;
  const Cancel& cancel_;
  // Room for copies; empty until they are needed.
  std::vector<std::byte> copies_;
};

// Octets that were written to a socket or pipe and that the peer has not taken yet, as far as the
// kernel knows: of TCP those without an acknowledgement. 0 for anything else.
std::size_t queued_bytes(int fd) noexcept;

// Where a stream comes from.
class Inlet {
 public:
  // `counters` get the time spent waiting.
  Inlet(int fd, const Cancel& cancel, Counters counters);

  // Fills `out`, or returns how many octets there were until the end.
  // Throws Failure TRANSPORT_LOST or kCancelled.
  std::size_t read(std::span<std::byte> out);

 private:
  void wait_for_octets() const;

  int fd_;
  const Cancel& cancel_;
  Counters counters_;
  // Reading would block past a cancellation: wait first.
  bool is_blocking_;
};

}  // namespace xenferry::pump
