#include "ram_file.h"

#include <unistd.h>

#include <cerrno>

#include "failure.h"

namespace xenferry::pump {

void RamFile::store(engine::ConstWords pfns, std::span<const std::byte> pages) {
  const std::lock_guard<std::mutex> storing(storing_);
  std::size_t first = 0;
  for (std::size_t entry = 1; entry <= pfns.size(); ++entry) {
    if (entry < pfns.size() && pfns[entry] == pfns[entry - 1] + 1) continue;
    store_run(pfns[first],
              pages.subspan(first * engine::kPageBytes, (entry - first) * engine::kPageBytes));
    first = entry;
  }
}

void RamFile::store_run(std::uint32_t first_pfn, std::span<const std::byte> run) {
  auto at = static_cast<off_t>(std::uint64_t{first_pfn} * engine::kPageBytes);
  while (!run.empty()) {
    const ssize_t stored = pwrite(fd_, run.data(), run.size(), at);
    if (stored < 0 && errno == EINTR) continue;
    if (stored <= 0) throw Failure::of_call("GUEST_HOST_CALL", "pwrite", stored == 0 ? EIO : errno);
    run = run.subspan(static_cast<std::size_t>(stored));
    at += stored;
  }
}

}  // namespace xenferry::pump
