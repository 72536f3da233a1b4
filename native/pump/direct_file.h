#pragma once

#include <fcntl.h>

#include <string>

#include "../unique_fd.h"

namespace xenferry::pump {

// How pages of a file are read and written: through the page cache or past it (O_DIRECT).
enum class FileAccess {
  // Past the page cache where that can be done and is not slower.
  kAuto,
  kCached,
  // Past the page cache wherever that can be done.
  kDirect,
};

// Another opening of the file behind `fd`, with `flags` of open; none where that cannot be had.
inline UniqueFd reopen(int fd, int flags) {
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  return UniqueFd{open(path.c_str(), flags | O_CLOEXEC)};
}

}  // namespace xenferry::pump
