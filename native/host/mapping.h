#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <system_error>
#include <utility>

namespace xenferry::host {

// Owns a mapping of a file; nothing is mapped where data() is null.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() {
    if (data_ != nullptr) munmap(data_, size_);
  }

  // Maps `size_bytes` of `fd` from its start, shared, to read and write.
  // Throws std::system_error.
  static Mapping shared(int fd, std::size_t size_bytes) {
    return Mapping{fd, 0, size_bytes, PROT_READ | PROT_WRITE};
  }

  // Maps part of `fd`, shared, to read only. Throws std::system_error.
  static Mapping read_only(int fd, std::size_t offset_bytes, std::size_t size_bytes) {
    return Mapping{fd, offset_bytes, size_bytes, PROT_READ};
  }

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  Mapping(int fd, std::size_t offset_bytes, std::size_t size_bytes, int protection)
      : size_(size_bytes) {
    void* at =
        mmap(nullptr, size_bytes, protection, MAP_SHARED, fd, static_cast<off_t>(offset_bytes));
    if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    data_ = static_cast<std::byte*>(at);
  }

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace xenferry::host
