#pragma once

#include "host.h"

namespace xenferry::xen {

// Memory of a few pages that hypercalls read and write by its address; zeros at first.
class HypercallMemory {
 public:
  // Throws Failure GUEST_HOST_CALL.
  HypercallMemory(const Host& host, std::size_t size_bytes);
  HypercallMemory(const HypercallMemory&) = delete;
  HypercallMemory& operator=(const HypercallMemory&) = delete;
  ~HypercallMemory();

  engine::Bytes bytes() const noexcept {
    return {static_cast<std::uint8_t*>(buffer_.memory), size_bytes_};
  }
  // As a guest handle of a hypercall's structure.
  std::uint64_t address() const noexcept {
    return reinterpret_cast<std::uintptr_t>(buffer_.memory);
  }

 private:
  const Host& host_;
  std::size_t size_bytes_;
  int page_count_;
  HypercallBuffer buffer_;
};

}  // namespace xenferry::xen
