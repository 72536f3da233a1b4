#include "host.h"

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace xenferry::xen {
namespace {

constexpr std::size_t kWordBits = 64;

// Source: public/version.h, XENVER_version.
constexpr int kVersionCommand = 0;

}  // namespace

pump::Failure call_failure(const char* call) {
  return pump::Failure::of_call("GUEST_HOST_CALL", call, errno);
}

Host::Host(const std::string& folder) : libraries_(open_libraries(folder)) {
  control_ = functions().interface_open(nullptr, nullptr, 0);
  if (control_ == nullptr) {
    throw std::runtime_error(std::string("the hypervisor does not answer: ") + strerror(errno));
  }
  foreign_ = functions().foreign_open(nullptr, 0);
  if (foreign_ == nullptr) {
    throw std::runtime_error(std::string("domains' memory cannot be mapped: ") + strerror(errno));
  }
}

std::uint32_t Host::xen_version() const {
  const int version = functions().version(control_, kVersionCommand, nullptr);
  if (version < 0) throw call_failure("xc_version");
  return static_cast<std::uint32_t>(version);
}

ForeignPages::ForeignPages(const Host& host, std::uint32_t domid, int protection,
                           std::span<const FrameWord> frames, std::span<int> errors)
    : host_(host), page_count_(frames.size()) {
  address_ = host_.functions().foreign_map(host_.foreign(), domid, protection, page_count_,
                                           frames.data(), errors.data());
  if (address_ == nullptr) throw call_failure("xenforeignmemory_map");
}

ForeignPages::~ForeignPages() {
  if (address_ == nullptr) return;
  host_.functions().foreign_unmap(host_.foreign(), address_, page_count_);
}

BitmapBuffer::BitmapBuffer(const Host& host, std::uint64_t page_count)
    : host_(host),
      word_count_((page_count + kWordBits - 1) / kWordBits),
      page_count_(static_cast<int>((word_count_ * sizeof(std::uint64_t) + engine::kPageBytes - 1) /
                                   engine::kPageBytes)),
      buffer_{nullptr, nullptr, 0, kNotBounced, 0} {
  if (host_.functions().buffer_alloc_pages(host_.control(), &buffer_, page_count_) == nullptr) {
    throw call_failure("xc_hypercall_buffer_alloc_pages");
  }
}

BitmapBuffer::~BitmapBuffer() {
  host_.functions().buffer_free_pages(host_.control(), &buffer_, page_count_);
}

}  // namespace xenferry::xen
