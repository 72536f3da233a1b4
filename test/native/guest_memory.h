// RAM for the drivers, and its changes.
#pragma once

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <random>

#include "../../native/engine/types.h"

namespace xenferry::driver {

inline constexpr std::size_t kPageCount = 5000;

// Secret memory cannot be pinned, which is what memory of other domains of Xen is like.
enum class MemoryKind { kPlain, kSecret };

// Source: Linux include/uapi/asm-generic/unistd.h.
inline constexpr long kMemfdSecretCall = 447;

struct Memory {
  int fd = -1;
  engine::Bytes bytes;

  explicit Memory(MemoryKind kind = MemoryKind::kPlain) {
    fd = kind == MemoryKind::kPlain ? memfd_create("ram", MFD_CLOEXEC)
                                    : static_cast<int>(syscall(kMemfdSecretCall, 0));
    const std::size_t size = kPageCount * engine::kPageBytes;
    if (fd < 0 || ftruncate(fd, static_cast<off_t>(size)) != 0) std::abort();
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) std::abort();
    bytes = {static_cast<std::uint8_t*>(at), size};
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() {
    munmap(bytes.data(), bytes.size());
    close(fd);
  }

  // Whether this process may have as much secret memory as it takes.
  static bool has_secret() {
    const int fd = static_cast<int>(syscall(kMemfdSecretCall, 0));
    if (fd < 0) return false;
    const std::size_t size = kPageCount * engine::kPageBytes;
    const bool is_sized = ftruncate(fd, static_cast<off_t>(size)) == 0;
    void* at = is_sized ? mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                        : MAP_FAILED;
    if (at != MAP_FAILED) munmap(at, size);
    close(fd);
    return at != MAP_FAILED;
  }
};

// Writes to about every third page and marks it.
inline void change_pages(engine::Bytes ram, engine::Bytes dirty, std::mt19937& random) {
  for (std::size_t page = 0; page < kPageCount; ++page) {
    if (random() % 3 != 0) continue;
    std::memset(ram.data() + page * engine::kPageBytes, static_cast<int>(random() % 4),
                engine::kPageBytes);
    dirty[page / 8] |= static_cast<std::uint8_t>(1u << (page % 8));
  }
}

}  // namespace xenferry::driver
