#include "wire.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "failure.h"

namespace xenferry::pump {
namespace {

constexpr std::size_t kIovecsMax = 1024;

// Octets copied for one write, where copies are needed.
constexpr std::size_t kCopiedBytesMax = 256 << 10;

// Room of a unix socket: with the kernel's 208 KiB sender and receiver wake each other too often.
constexpr int kUnixRoomBytes = 4 << 20;

// What a TCP peer that is near may have on its way here: what is stored late lengthens the
// downtime, and to a peer this near more brings no throughput.
constexpr int kNearWindowBytes = 1 << 20;
constexpr std::uint32_t kNearMicroseconds = 1000;

Failure lost(const char* call) { return Failure::of_call("TRANSPORT_LOST", call, errno); }

void wait(int fd, short events, const Cancel& cancel) {
  std::array<pollfd, 2> waits = {{{fd, events, 0}, {cancel.fd(), POLLIN, 0}}};
  while (poll(waits.data(), waits.size(), -1) < 0) {
    if (errno != EINTR) throw lost("poll");
  }
  if (cancel.is_fired()) throw Failure::cancelled();
}

void clamp_window(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return;
  if (info.tcpi_rtt == 0 || info.tcpi_rtt > kNearMicroseconds) return;
  const int window = kNearWindowBytes;
  setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &window, sizeof window);
}

// Of TCP the kernel finds out by itself how much room it needs.
void widen(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX) return;
  const int room = kUnixRoomBytes;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room) != 0) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  }
}

}  // namespace

Outlet::Outlet(int fd, std::optional<std::uint64_t> position, const Cancel& cancel)
    : fd_(fd), position_(position), cancel_(cancel) {
  widen(fd);
}

std::uint64_t Outlet::send(std::span<iovec> parts, const Counters& counters) {
  const std::uint64_t bytes = bytes_of(parts);
  while (!parts.empty()) {
    if (cancel_.is_fired()) throw Failure::cancelled();
    const ssize_t written = write_some(parts.first(std::min(parts.size(), kIovecsMax)), counters);
    if (written >= 0) {
      parts = without(parts, static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      const Timed timed{counters, Counters::kWaitNs};
      wait(fd_, POLLOUT, cancel_);
    } else if (errno == EFAULT && copies_.empty()) {
      copies_.resize(kCopiedBytesMax);
    } else if (errno != EINTR) {
      throw lost("writev");
    }
  }
  return bytes;
}

ssize_t Outlet::write_some(std::span<const iovec> parts, const Counters& counters) {
  iovec copy;
  if (!copies_.empty()) {
    const Timed timed{counters, Counters::kCopyNs};
    copy = copy_of(parts);
    parts = std::span<const iovec>(&copy, 1);
  }
  const int count = static_cast<int>(parts.size());
  const Timed timed{counters, Counters::kWriteNs};
  if (!position_.has_value()) return writev(fd_, parts.data(), count);
  const ssize_t written = pwritev(fd_, parts.data(), count, static_cast<off_t>(*position_));
  if (written > 0) *position_ += static_cast<std::uint64_t>(written);
  return written;
}

// The front of `parts`, copied.
iovec Outlet::copy_of(std::span<const iovec> parts) {
  std::size_t filled = 0;
  for (const iovec& part : parts) {
    const std::size_t count = std::min(part.iov_len, copies_.size() - filled);
    if (count == 0) break;
    std::memcpy(copies_.data() + filled, part.iov_base, count);
    filled += count;
  }
  return {copies_.data(), filled};
}

std::size_t queued_bytes(int fd) noexcept {
  struct stat status {};
  if (fstat(fd, &status) != 0) return 0;
  const bool is_socket = S_ISSOCK(status.st_mode);
  int queued = 0;
  if (!is_socket && !S_ISFIFO(status.st_mode)) return 0;
  if (ioctl(fd, is_socket ? SIOCOUTQ : FIONREAD, &queued) != 0) return 0;
  return static_cast<std::size_t>(queued);
}

Inlet::Inlet(int fd, const Cancel& cancel, Counters counters)
    : fd_(fd),
      cancel_(cancel),
      counters_(counters),
      is_blocking_((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0) {
  clamp_window(fd);
}

std::size_t Inlet::read(std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    if (is_blocking_) wait_for_octets();
    const ssize_t count = ::read(fd_, out.data() + filled, out.size() - filled);
    if (count > 0) {
      filled += static_cast<std::size_t>(count);
    } else if (count == 0) {
      break;
    } else if (errno == EAGAIN) {
      wait_for_octets();
    } else if (errno != EINTR) {
      throw lost("read");
    }
  }
  return filled;
}

void Inlet::wait_for_octets() const {
  const Timed timed{counters_, Counters::kWaitNs};
  wait(fd_, POLLIN, cancel_);
}

}  // namespace xenferry::pump
