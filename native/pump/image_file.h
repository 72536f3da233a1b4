#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "../unique_fd.h"
#include "direct_file.h"
#include "iteration.h"
#include "send.h"

namespace xenferry::pump {

// An image being written to a regular file by several threads, its pages at multiples of the page
// size: each claims the place of its next record. Octets beside the pages go through the page cache
// where they share a page with others; pages go past it where that can be done.
class ImageFile {
 public:
  // `fd` is the caller's; the image goes on at `position`, a multiple of 8.
  ImageFile(int fd, std::uint64_t position, FileAccess access);

  struct Place {
    std::uint64_t offset;
    // Of the PAGE_ALIGNMENT record that goes before; 0 is none.
    std::size_t alignment_bytes;
  };

  // Takes the next octets for a record. Throws kCancelled after `stop`.
  Place claim(std::size_t head_bytes, std::uint64_t page_bytes);

  // Nobody is to write any more.
  void stop() noexcept { is_stopped_ = true; }

  int fd() const noexcept { return fd_; }

  // Past the page cache; -1 where that cannot be done.
  int direct_fd() const noexcept { return is_direct_ ? direct_.get() : -1; }
  void give_up_direct() noexcept { is_direct_ = false; }

  // Whether pages are written from copies: memory that cannot be pinned for the device, or a file
  // system that reads what it writes more than once, which the guest might change meanwhile.
  bool needs_copies() const noexcept { return needs_copies_; }
  void need_copies() noexcept { needs_copies_ = true; }

  // Octets that went past the page cache.
  std::uint64_t direct_bytes() const noexcept { return direct_bytes_; }
  void count_direct(std::uint64_t byte_count) noexcept { direct_bytes_ += byte_count; }

 private:
  int fd_;
  UniqueFd direct_;
  std::atomic<bool> is_direct_ = false;
  std::atomic<bool> needs_copies_ = false;
  std::atomic<bool> is_stopped_ = false;
  std::atomic<std::uint64_t> direct_bytes_ = 0;

  std::mutex claiming_;
  std::uint64_t position_;
};

// Sends one iteration into `file` by up to `lane_count` threads, this one among them; returns
// octets sent, with those between records. Throws as SendPump::send.
std::uint64_t send_into(ImageFile& file, SendPump& pump, Iteration& iteration,
                        std::size_t lane_count, const Cancel& cancel);

}  // namespace xenferry::pump
