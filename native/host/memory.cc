#include "memory.h"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace xenferry::host {
namespace {

constexpr std::size_t kPageBytes = 4096;

// Calls `move(first index, page count)` for each run of neighbouring, rising pfns.
template <typename Move>
void for_each_run(std::span<const std::uint32_t> pfns, Move move) {
  std::size_t first = 0;
  for (std::size_t index = 1; index <= pfns.size(); ++index) {
    if (index == pfns.size() || pfns[index] != pfns[index - 1] + 1) {
      move(first, index - first);
      first = index;
    }
  }
}

// Repeats a positioned read or write until all of `size` bytes are moved.
template <typename Call>
void move_all(const char* name, std::size_t size, Call call) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = call(done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      throw std::system_error(count == 0 ? EIO : errno, std::generic_category(), name);
    }
    done += static_cast<std::size_t>(count);
  }
}

}  // namespace

void read_pages(int fd, std::span<const std::uint32_t> pfns, std::span<std::byte> out) {
  for_each_run(pfns, [&](std::size_t first, std::size_t page_count) {
    const std::span<std::byte> run = out.subspan(first * kPageBytes, page_count * kPageBytes);
    const off_t at = static_cast<off_t>(pfns[first]) * kPageBytes;
    move_all("pread", run.size(), [&](std::size_t done) {
      return pread(fd, run.data() + done, run.size() - done, at + static_cast<off_t>(done));
    });
  });
}

void write_pages(int fd, std::span<const std::uint32_t> pfns, std::span<const std::byte> pages) {
  for_each_run(pfns, [&](std::size_t first, std::size_t page_count) {
    const auto run = pages.subspan(first * kPageBytes, page_count * kPageBytes);
    const off_t at = static_cast<off_t>(pfns[first]) * kPageBytes;
    move_all("pwrite", run.size(), [&](std::size_t done) {
      return pwrite(fd, run.data() + done, run.size() - done, at + static_cast<off_t>(done));
    });
  });
}

}  // namespace xenferry::host
