#include "hypercall_memory.h"

#include <algorithm>

namespace xenferry::xen {

HypercallMemory::HypercallMemory(const Host& host, std::size_t size_bytes)
    : host_(host),
      size_bytes_(size_bytes),
      page_count_(static_cast<int>((size_bytes + engine::kPageBytes - 1) / engine::kPageBytes)),
      buffer_{nullptr, nullptr, 0, kNotBounced, 0} {
  if (host_.functions().buffer_alloc_pages(host_.control(), &buffer_, page_count_) == nullptr) {
    throw call_failure("xc_hypercall_buffer_alloc_pages");
  }
  std::ranges::fill(bytes(), std::uint8_t{0});
}

HypercallMemory::~HypercallMemory() {
  host_.functions().buffer_free_pages(host_.control(), &buffer_, page_count_);
}

}  // namespace xenferry::xen
