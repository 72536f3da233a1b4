#include "ram.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "../host/userfault.h"

namespace xenferry::guest {
namespace {

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

UniqueFd make_memfd(const char* name, std::size_t size_bytes) {
  UniqueFd fd{memfd_create(name, MFD_CLOEXEC)};
  if (fd.get() < 0) fail("memfd_create");
  if (ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) fail("ftruncate");
  return fd;
}

}  // namespace

Ram::Ram(std::size_t page_count, LogDirtyChoice choice)
    : page_count_(page_count),
      ram_fd_(make_memfd("xenferry-ram", page_count * kPageBytes)),
      ram_(host::Mapping::shared(ram_fd_.get(), page_count * kPageBytes)) {
  if (choice == LogDirtyChoice::kSoftware) {
    software_reason_ = "asked for";
    track_by_software();
    return;
  }
  try {
    userfault_fd_ = host::track_writes(address(), page_count_ * kPageBytes);
  } catch (const std::system_error& error) {
    if (choice == LogDirtyChoice::kUserfaultfd) throw;
    software_reason_ = error.what();
    track_by_software();
  }
}

PageWords Ram::page(std::size_t pfn) const {
  auto* words = reinterpret_cast<std::uint64_t*>(ram_.data() + pfn * kPageBytes);
  return PageWords{words, kPageWords};
}

void Ram::mark_dirty(std::size_t pfn) {
  if (bitmap_.data() == nullptr) return;
  auto* words = reinterpret_cast<std::uint64_t*>(bitmap_.data());
  std::atomic_ref<std::uint64_t> word{words[pfn / 64]};
  word.fetch_or(std::uint64_t{1} << (pfn % 64), std::memory_order_release);
}

std::vector<std::pair<std::size_t, std::size_t>> Ram::populated_extents() const {
  std::vector<std::pair<std::size_t, std::size_t>> extents;
  const auto end = static_cast<off_t>(page_count_ * kPageBytes);
  off_t at = 0;
  while (at < end) {
    const off_t data = lseek(ram_fd_.get(), at, SEEK_DATA);
    if (data < 0) break;
    const off_t hole = lseek(ram_fd_.get(), data, SEEK_HOLE);
    extents.emplace_back(data / kPageBytes, hole / kPageBytes);
    at = hole;
  }
  return extents;
}

void Ram::track_by_software() {
  const std::size_t size_bytes = (page_count_ + 63) / 64 * 8;
  bitmap_fd_ = make_memfd("xenferry-dirty", size_bytes);
  bitmap_ = host::Mapping::shared(bitmap_fd_.get(), size_bytes);
}

}  // namespace xenferry::guest
