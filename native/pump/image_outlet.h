#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "aligned_buffer.h"
#include "image_file.h"
#include "record_outlet.h"

namespace xenferry::pump {

// The buffers of one thread that writes records into an image.
class ImageOutlet final : public RecordOutlet {
 public:
  explicit ImageOutlet(ImageFile& file);

  std::uint64_t send(std::span<iovec> parts, const Counters& counters) override;

 private:
  std::span<std::byte> make_front(const ImageFile::Place& place, const iovec& head);
  void write_direct(std::uint64_t offset, std::span<iovec> parts, const Counters& counters);
  void write_cached(std::uint64_t offset, std::span<iovec> parts, const Counters& counters);
  std::span<iovec> copied(std::span<iovec> parts, const Counters& counters);

  ImageFile& file_;
  // What goes before the pages: as far from the start of a page here as in the file.
  AlignedBuffer front_;
  // Made when it is first needed.
  std::unique_ptr<AlignedBuffer> copies_;
  iovec copied_ = {};
};

}  // namespace xenferry::pump
