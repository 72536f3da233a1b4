#include "wire.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "failure.h"

namespace xenferry::pump {
namespace {

constexpr std::size_t kIovecsMax = 1024;

Failure lost(const char* call) { return Failure::of_call("TRANSPORT_LOST", call, errno); }

void wait(int fd, short events, const Cancel& cancel) {
  std::array<pollfd, 2> waits = {{{fd, events, 0}, {cancel.fd(), POLLIN, 0}}};
  while (poll(waits.data(), waits.size(), -1) < 0) {
    if (errno != EINTR) throw lost("poll");
  }
  if (cancel.is_fired()) throw Failure::cancelled();
}

}  // namespace

std::span<iovec> without(std::span<iovec> parts, std::size_t byte_count) {
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

void Outlet::write_all(std::span<iovec> parts) {
  while (!parts.empty()) {
    if (cancel_.is_fired()) throw Failure::cancelled();
    const ssize_t written = write_some(parts.first(std::min(parts.size(), kIovecsMax)));
    if (written >= 0) {
      parts = without(parts, static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      wait(fd_, POLLOUT, cancel_);
    } else if (errno != EINTR) {
      throw lost("writev");
    }
  }
}

std::uint64_t Outlet::send(std::span<iovec> parts) {
  const std::uint64_t bytes = bytes_of(parts);
  write_all(parts);
  return bytes;
}

ssize_t Outlet::write_some(std::span<const iovec> parts) {
  const int count = static_cast<int>(parts.size());
  if (!position_.has_value()) return writev(fd_, parts.data(), count);
  const ssize_t written = pwritev(fd_, parts.data(), count, static_cast<off_t>(*position_));
  if (written > 0) *position_ += static_cast<std::uint64_t>(written);
  return written;
}

Inlet::Inlet(int fd, const Cancel& cancel)
    : fd_(fd), cancel_(cancel), is_blocking_((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0) {}

std::size_t Inlet::read(std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    if (is_blocking_) wait(fd_, POLLIN, cancel_);
    const ssize_t count = ::read(fd_, out.data() + filled, out.size() - filled);
    if (count > 0) {
      filled += static_cast<std::size_t>(count);
    } else if (count == 0) {
      break;
    } else if (errno == EAGAIN) {
      wait(fd_, POLLIN, cancel_);
    } else if (errno != EINTR) {
      throw lost("read");
    }
  }
  return filled;
}

}  // namespace xenferry::pump
