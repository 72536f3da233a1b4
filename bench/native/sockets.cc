#include "sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "support.h"

namespace xenferry::bench {
namespace {

// An address as the socket calls want it.
struct Endpoint {
  sockaddr_storage storage{};
  socklen_t size = 0;

  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Endpoint parse(const std::string& address) {
  Endpoint endpoint;
  if (address.starts_with("unix:")) {
    auto* local = reinterpret_cast<sockaddr_un*>(&endpoint.storage);
    const std::string path = address.substr(5);
    if (path.size() >= sizeof local->sun_path) throw std::invalid_argument(address);
    local->sun_family = AF_UNIX;
    std::memcpy(local->sun_path, path.c_str(), path.size() + 1);
    endpoint.size = sizeof *local;
  } else if (address.starts_with("tcp:")) {
    auto* internet = reinterpret_cast<sockaddr_in*>(&endpoint.storage);
    internet->sin_family = AF_INET;
    internet->sin_port = htons(static_cast<std::uint16_t>(std::stoul(address.substr(4))));
    internet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    endpoint.size = sizeof *internet;
  } else {
    throw std::invalid_argument(address);
  }
  return endpoint;
}

UniqueFd socket_for(const Endpoint& endpoint) {
  UniqueFd fd{socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (fd.get() < 0) fail("socket");
  return fd;
}

void print_listening(int fd, const std::string& address) {
  Endpoint bound;
  bound.size = sizeof bound.storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.size) != 0) {
    fail("getsockname");
  }
  if (bound.family() == AF_INET) {
    const auto* internet = reinterpret_cast<const sockaddr_in*>(&bound.storage);
    std::printf("{\"listening\":\"tcp:%u\"}\n", ntohs(internet->sin_port));
  } else {
    std::printf("{\"listening\":\"%s\"}\n", address.c_str());
  }
  std::fflush(stdout);
}

}  // namespace

UniqueFd connect_to(const std::string& address) {
  const Endpoint endpoint = parse(address);
  UniqueFd fd = socket_for(endpoint);
  if (connect(fd.get(), endpoint.get(), endpoint.size) != 0) fail("connect");
  return fd;
}

UniqueFd accept_at(const std::string& address) {
  const Endpoint endpoint = parse(address);
  const UniqueFd listener = socket_for(endpoint);
  if (bind(listener.get(), endpoint.get(), endpoint.size) != 0) fail("bind");
  if (listen(listener.get(), 1) != 0) fail("listen");
  print_listening(listener.get(), address);
  UniqueFd fd{accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC)};
  if (fd.get() < 0) fail("accept");
  return fd;
}

void write_all(int fd, std::span<iovec> pieces) {
  while (!pieces.empty()) {
    const ssize_t count = writev(fd, pieces.data(), static_cast<int>(pieces.size()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("writev");
    auto rest = static_cast<std::size_t>(count);
    while (!pieces.empty() && rest >= pieces.front().iov_len) {
      rest -= pieces.front().iov_len;
      pieces = pieces.subspan(1);
    }
    if (!pieces.empty()) {
      pieces.front().iov_base = static_cast<std::byte*>(pieces.front().iov_base) + rest;
      pieces.front().iov_len -= rest;
    }
  }
}

std::size_t read_full(int fd, std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    const ssize_t count = read(fd, out.data() + filled, out.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail("read");
    if (count == 0) break;
    filled += static_cast<std::size_t>(count);
  }
  return filled;
}

}  // namespace xenferry::bench
