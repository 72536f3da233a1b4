// The transport alone: what a socket between two processes can carry at best.
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "sockets.h"
#include "subcommands.h"

namespace xenferry::bench {
namespace {

constexpr std::size_t kBounceBytes = std::size_t{256} << 10;

// Reads up to `size_bytes` to where `place(offset)` says, then calls `keep(offset, byte count)`.
template <typename Place, typename Keep>
void receive(int fd, std::size_t size_bytes, std::size_t step_bytes, Place place, Keep keep) {
  std::byte first;
  if (recv(fd, &first, 1, MSG_PEEK) != 1) fail("recv");
  const Stopwatch stopwatch;
  std::size_t at = 0;
  while (at < size_bytes) {
    const std::size_t wanted = std::min(step_bytes, size_bytes - at);
    if (read_full(fd, {place(at), wanted}) != wanted) throw std::runtime_error("stream ended");
    keep(at, wanted);
    at += wanted;
  }
  print_report(at, stopwatch.cost());
}

}  // namespace

void raw_send(const Options& options) {
  const Memory memory = Memory::random(options.size("bytes"));
  const UniqueFd fd = connect_to(options.text("address"));
  const Stopwatch stopwatch;
  const std::span<std::byte> bytes = memory.bytes();
  for (std::size_t at = 0; at < bytes.size(); at += kPieceBytes) {
    iovec piece{bytes.data() + at, std::min(kPieceBytes, bytes.size() - at)};
    write_all(fd.get(), {&piece, 1});
  }
  print_report(bytes.size(), stopwatch.cost());
}

void raw_receive(const Options& options) {
  const std::size_t size_bytes = options.size("bytes");
  const std::string& into = options.text("into");
  const UniqueFd fd = accept_at(options.text("address"));
  const auto nothing = [](std::size_t, std::size_t) {};
  if (into == "mapped") {
    const Memory memory = Memory::sparse(size_bytes);
    const auto place = [&](std::size_t at) { return memory.bytes().data() + at; };
    receive(fd.get(), size_bytes, kPieceBytes, place, nothing);
  } else if (into == "pwrite") {
    const Memory memory = Memory::sparse(size_bytes);
    std::vector<std::byte> buffer(kBounceBytes);
    const auto store = [&](std::size_t at, std::size_t count) {
      const ssize_t written = pwrite(memory.fd.get(), buffer.data(), count, static_cast<off_t>(at));
      if (written != static_cast<ssize_t>(count)) fail("pwrite");
    };
    receive(
        fd.get(), size_bytes, kBounceBytes, [&](std::size_t) { return buffer.data(); }, store);
  } else if (into == "hot") {
    std::vector<std::byte> buffer(kPieceBytes);
    receive(
        fd.get(), size_bytes, kPieceBytes, [&](std::size_t) { return buffer.data(); }, nothing);
  } else {
    throw std::invalid_argument("into=" + into);
  }
}

}  // namespace xenferry::bench
