#include "image_file.h"

#include <fcntl.h>
#include <sys/vfs.h>

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

#include "failure.h"
#include "image_outlet.h"

namespace xenferry::pump {
namespace {

// File systems that take checksums of what they write. Source: Linux include/uapi/linux/magic.h
// (btrfs), OpenZFS include/os/linux/zfs/sys/zfs_vfsops_os.h, Linux fs/bcachefs/bcachefs_format.h.
constexpr unsigned long kChecksumming[] = {0x9123683e, 0x2fc12fc1, 0xca451a4e};

bool takes_checksums(int fd) {
  struct statfs status;
  if (fstatfs(fd, &status) != 0) return false;
  const auto type = static_cast<unsigned long>(status.f_type) & 0xffff'ffff;
  return std::find(std::begin(kChecksumming), std::end(kChecksumming), type) !=
         std::end(kChecksumming);
}

}  // namespace

ImageFile::ImageFile(int fd, std::uint64_t position, FileAccess access)
    : fd_(fd), needs_copies_(takes_checksums(fd)), position_(position) {
  if (access == FileAccess::kCached) return;
  direct_ = reopen(fd, O_WRONLY | O_DIRECT);
  is_direct_ = direct_.get() >= 0;
}

ImageFile::Place ImageFile::claim(std::size_t head_bytes, std::uint64_t page_bytes) {
  const std::lock_guard<std::mutex> claiming(claiming_);
  if (is_stopped_) throw Failure::cancelled();
  const std::uint64_t over = (position_ + head_bytes) % engine::kPageBytes;
  const bool is_aligned = page_bytes == 0 || over == 0;
  const Place place = {position_, is_aligned ? 0 : engine::kPageBytes - over};
  position_ += place.alignment_bytes + head_bytes + page_bytes;
  return place;
}

std::uint64_t send_into(ImageFile& file, SendPump& pump, Iteration& iteration,
                        std::size_t lane_count, const Cancel& cancel) {
  std::atomic<std::uint64_t> bytes = 0;
  std::mutex failing;
  std::exception_ptr failure;
  const auto run = [&]() noexcept {
    try {
      ImageOutlet outlet{file};
      bytes += pump.send(iteration, outlet, cancel);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(failing);
      if (failure == nullptr) failure = std::current_exception();
      file.stop();
    }
  };
  std::vector<std::jthread> helpers;
  // Through the page cache the kernel lets one thread write at a time.
  if (file.direct_fd() < 0) lane_count = 1;
  while (helpers.size() + 1 < lane_count) helpers.emplace_back(run);
  run();
  helpers.clear();
  if (failure != nullptr) std::rethrow_exception(failure);
  return bytes;
}

}  // namespace xenferry::pump
