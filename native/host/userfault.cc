#include "userfault.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "mapping.h"
#include "uapi.h"

namespace xenferry::host {
namespace {

constexpr std::size_t kPageBytes = 4096;

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

UniqueFd open_userfaultfd() {
  UniqueFd fd{
      static_cast<int>(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | uapi::kUffdUserModeOnly))};
  if (fd.get() < 0) fail("userfaultfd");
  uffdio_api api{};
  api.api = UFFD_API;
  api.features = uapi::kUffdFeatureWpAsync | uapi::kUffdFeatureWpHugetlbfsShmem |
                 uapi::kUffdFeatureWpUnpopulated;
  if (ioctl(fd.get(), UFFDIO_API, &api) != 0) fail("UFFDIO_API (write-protect async)");
  return fd;
}

// The scan that the other process will do, tried on ourselves.
void probe_pagemap_scan(std::uint64_t address) {
  UniqueFd pagemap{open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC)};
  if (pagemap.get() < 0) fail("open /proc/self/pagemap");
  uapi::PagemapScanArg scan{};
  scan.size = sizeof scan;
  scan.flags = uapi::kScanCheckWpAsync;
  scan.start = address;
  scan.end = address + kPageBytes;
  scan.category_mask = uapi::kPageIsWritten;
  scan.return_mask = uapi::kPageIsWritten;
  uapi::PageRegion region{};
  scan.vec = reinterpret_cast<std::uint64_t>(&region);
  scan.vec_len = 1;
  if (ioctl(pagemap.get(), uapi::kPagemapScan, &scan) < 0) fail("PAGEMAP_SCAN");
}

}  // namespace

UniqueFd track_writes(std::uint64_t address, std::size_t size_bytes) {
  UniqueFd fd = open_userfaultfd();
  uffdio_register range{};
  range.range.start = address;
  range.range.len = size_bytes;
  range.mode = UFFDIO_REGISTER_MODE_WP;
  if (ioctl(fd.get(), UFFDIO_REGISTER, &range) != 0) fail("UFFDIO_REGISTER");
  probe_pagemap_scan(address);
  return fd;
}

std::string write_tracking_obstacle() {
  try {
    UniqueFd file{memfd_create("xenferry-probe", MFD_CLOEXEC)};
    if (file.get() < 0) fail("memfd_create");
    if (ftruncate(file.get(), kPageBytes) != 0) fail("ftruncate");
    const auto page = Mapping::shared(file.get(), kPageBytes);
    track_writes(reinterpret_cast<std::uintptr_t>(page.data()), page.size());
    return {};
  } catch (const std::system_error& error) {
    return error.what();
  }
}

}  // namespace xenferry::host
