#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "../engine/types.h"

namespace xenferry::pump {

// Memory that starts at a multiple of the page size, as direct input and output ask for.
class AlignedBuffer {
 public:
  // `size_bytes`: whole pages. Throws std::bad_alloc.
  explicit AlignedBuffer(std::size_t size_bytes)
      : data_(static_cast<std::byte*>(std::aligned_alloc(engine::kPageBytes, size_bytes))),
        size_bytes_(size_bytes) {
    if (data_ == nullptr) throw std::bad_alloc();
  }

  std::span<std::byte> bytes() noexcept { return {data_.get(), size_bytes_}; }
  std::span<const std::byte> bytes() const noexcept { return {data_.get(), size_bytes_}; }

 private:
  struct Free {
    void operator()(std::byte* data) const noexcept { std::free(data); }
  };

  std::unique_ptr<std::byte[], Free> data_;
  std::size_t size_bytes_;
};

}  // namespace xenferry::pump
