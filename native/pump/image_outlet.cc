#include "image_outlet.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "batch.h"
#include "failure.h"
#include "page_data.h"

namespace xenferry::pump {
namespace {

constexpr std::size_t kIovecsMax = 1024;

// The head of a full batch, and a page each for what lies before it in its first page and for the
// alignment record.
constexpr std::size_t kFrontBytes =
    2 * engine::kPageBytes +
    (engine::kHeadBytes + engine::kPfnWordBytes * kBatchPagesMax + engine::kPageBytes - 1) /
        engine::kPageBytes * engine::kPageBytes;

ssize_t write_some(int fd, std::uint64_t offset, std::span<const iovec> parts,
                   const Counters& counters) {
  const Timed timed{counters, Counters::kWriteNs};
  const std::size_t count = std::min(parts.size(), kIovecsMax);
  return pwritev(fd, parts.data(), static_cast<int>(count), static_cast<off_t>(offset));
}

bool are_aligned(std::span<const iovec> parts) {
  return std::ranges::all_of(parts, [](const iovec& part) {
    return reinterpret_cast<std::uintptr_t>(part.iov_base) % engine::kPageBytes == 0;
  });
}

}  // namespace

ImageOutlet::ImageOutlet(ImageFile& file) : file_(file), front_(kFrontBytes) {}

std::uint64_t ImageOutlet::send(std::span<iovec> parts, const Counters& counters) {
  const std::uint64_t page_bytes = bytes_of(parts.subspan(1));
  const ImageFile::Place place = file_.claim(parts.front().iov_len, page_bytes);
  const std::span<std::byte> front = make_front(place, parts.front());
  if (page_bytes > 0 && file_.direct_fd() >= 0) {
    // A first page that is shared with the record before it.
    const std::size_t shared = -place.offset % engine::kPageBytes;
    iovec part = {front.data(), shared};
    write_cached(place.offset, {&part, 1}, counters);
    parts.front() = {front.data() + shared, front.size() - shared};
    write_direct(place.offset + shared, parts, counters);
  } else {
    parts.front() = {front.data(), front.size()};
    write_cached(place.offset, parts, counters);
  }
  return front.size() + page_bytes;
}

// Builds the alignment record, if there is to be one, and behind it the head.
std::span<std::byte> ImageOutlet::make_front(const ImageFile::Place& place, const iovec& head) {
  const std::span<std::byte> front = front_.bytes().subspan(place.offset % engine::kPageBytes,
                                                            place.alignment_bytes + head.iov_len);
  if (place.alignment_bytes > 0) {
    const RecordHeader header = {
        kPageAlignmentType,
        static_cast<std::uint32_t>(place.alignment_bytes - sizeof(RecordHeader))};
    std::memset(front.data(), 0, place.alignment_bytes);
    std::memcpy(front.data(), &header, sizeof header);
  }
  std::memcpy(front.data() + place.alignment_bytes, head.iov_base, head.iov_len);
  return front;
}

// Writes whole pages past the page cache, as long as that can be done.
void ImageOutlet::write_direct(std::uint64_t offset, std::span<iovec> parts,
                               const Counters& counters) {
  bool are_copies = file_.needs_copies() || !are_aligned(parts);
  if (are_copies) parts = copied(parts, counters);
  while (!parts.empty()) {
    const int fd = file_.direct_fd();
    if (fd < 0) {
      write_cached(offset, parts, counters);
      return;
    }
    const ssize_t written = write_some(fd, offset, parts, counters);
    if (written >= 0) {
      file_.count_direct(static_cast<std::uint64_t>(written));
      offset += static_cast<std::uint64_t>(written);
      parts = without(parts, static_cast<std::size_t>(written));
    } else if (errno == EFAULT && !are_copies) {
      file_.need_copies();
      parts = copied(parts, counters);
      are_copies = true;
    } else if (errno == EINVAL) {
      file_.give_up_direct();
    } else if (errno != EINTR) {
      throw Failure::of_call("TRANSPORT_LOST", "pwritev", errno);
    }
  }
}

void ImageOutlet::write_cached(std::uint64_t offset, std::span<iovec> parts,
                               const Counters& counters) {
  while (!parts.empty()) {
    const ssize_t written = write_some(file_.fd(), offset, parts, counters);
    if (written >= 0) {
      offset += static_cast<std::uint64_t>(written);
      parts = without(parts, static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      throw Failure::of_call("TRANSPORT_LOST", "pwritev", errno);
    }
  }
}

// The same octets in memory of this thread.
std::span<iovec> ImageOutlet::copied(std::span<iovec> parts, const Counters& counters) {
  const Timed timed{counters, Counters::kCopyNs};
  if (copies_ == nullptr) {
    copies_ = std::make_unique<AlignedBuffer>(kFrontBytes + kBatchPagesMax * engine::kPageBytes);
  }
  std::size_t filled = 0;
  for (const iovec& part : parts) {
    std::memcpy(copies_->bytes().data() + filled, part.iov_base, part.iov_len);
    filled += part.iov_len;
  }
  copied_ = {copies_->bytes().data(), filled};
  return {&copied_, 1};
}

}  // namespace xenferry::pump
