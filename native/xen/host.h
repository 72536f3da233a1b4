#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "../engine/types.h"
#include "../pump/failure.h"
#include "libraries.h"

namespace xenferry::xen {

// A call on a domain that failed, with errno as it is now: GUEST_HOST_CALL.
pump::Failure call_failure(const char* call);

// Xen on this machine: its libraries, and their connections to the hypervisor, which stay open.
class Host {
 public:
  // Throws std::runtime_error with the reason, for a person.
  explicit Host(const std::string& folder);
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  const Functions& functions() const noexcept { return libraries_.functions; }
  int library_minor() const noexcept { return libraries_.minor; }
  ControlHandle* control() const noexcept { return control_; }
  ForeignHandle* foreign() const noexcept { return foreign_; }

  // Major version above 16 bits of minor version; throws Failure.
  std::uint32_t xen_version() const;

 private:
  Libraries libraries_;
  ControlHandle* control_;
  ForeignHandle* foreign_;
};

// Frames of a domain mapped here, one page each in their order, until this goes.
class ForeignPages {
 public:
  // Maps `frames`; `errors` has an entry for each, 0 where the frame could be mapped. What lies at
  // the others must not be touched. Throws Failure GUEST_HOST_CALL where nothing could be.
  ForeignPages(const Host& host, std::uint32_t domid, int protection,
               std::span<const FrameWord> frames, std::span<int> errors);
  ForeignPages(ForeignPages&& other) noexcept
      : host_(other.host_),
        address_(std::exchange(other.address_, nullptr)),
        page_count_(other.page_count_) {}
  ForeignPages& operator=(ForeignPages&&) = delete;
  ~ForeignPages();

  engine::Bytes bytes() const noexcept {
    return {static_cast<std::uint8_t*>(address_), page_count_ * engine::kPageBytes};
  }

 private:
  const Host& host_;
  void* address_;
  std::size_t page_count_;
};

// Memory that hypercalls write bitmaps to.
class BitmapBuffer {
 public:
  // Room for `page_count` bits. Throws Failure GUEST_HOST_CALL.
  BitmapBuffer(const Host& host, std::uint64_t page_count);
  BitmapBuffer(const BitmapBuffer&) = delete;
  BitmapBuffer& operator=(const BitmapBuffer&) = delete;
  ~BitmapBuffer();

  HypercallBuffer* get() noexcept { return &buffer_; }
  std::span<const std::uint64_t> words() const noexcept {
    return {static_cast<const std::uint64_t*>(buffer_.memory), word_count_};
  }

 private:
  const Host& host_;
  std::size_t word_count_;
  int page_count_;
  HypercallBuffer buffer_;
};

}  // namespace xenferry::xen
