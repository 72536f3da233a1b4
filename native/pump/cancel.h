#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <system_error>

#include "../unique_fd.h"

namespace xenferry::pump {

// A wish to stop that any thread may utter and that wakes threads waiting in poll. It stays.
class Cancel {
 public:
  Cancel() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (event_.get() < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }

  void fire() noexcept {
    is_fired_.store(true, std::memory_order_release);
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(event_.get(), &one, sizeof one);
  }

  bool is_fired() const noexcept { return is_fired_.load(std::memory_order_acquire); }

  // Readable once fired.
  int fd() const noexcept { return event_.get(); }

 private:
  UniqueFd event_;
  std::atomic<bool> is_fired_ = false;
};

}  // namespace xenferry::pump
