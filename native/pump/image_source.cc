#include "image_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "failure.h"
#include "record_walk.h"

namespace xenferry::pump {
namespace {

// The head of a full batch, and what stands before it, fit.
constexpr std::size_t kWindowBytes = 4 * engine::kPageBytes;

// Source: Linux include/uapi/linux/mman.h. Headers before Linux 6.5 lack them.
struct CachestatRange {
  std::uint64_t offset;
  std::uint64_t byte_count;
};
static_assert(sizeof(CachestatRange) == 16);
struct Cachestat {
  std::uint64_t cached_pages;
  std::uint64_t dirty_pages;
  std::uint64_t writeback_pages;
  std::uint64_t evicted_pages;
  std::uint64_t recently_evicted_pages;
};
static_assert(sizeof(Cachestat) == 40);
constexpr long kCachestatCall = 451;

Failure lost(const char* call) { return Failure::of_call("TRANSPORT_LOST", call, errno); }

// Whether most of a range is in the page cache; also where the kernel does not say.
bool is_mostly_cached(int fd, std::uint64_t offset, std::uint64_t byte_count) {
  CachestatRange range = {offset, byte_count};
  Cachestat found = {};
  if (syscall(kCachestatCall, fd, &range, &found, 0) != 0) return true;
  return found.cached_pages * engine::kPageBytes * 2 > byte_count;
}

}  // namespace

ImageSource::ImageSource(int fd, std::uint64_t offset, FileAccess access, const Cancel& cancel,
                         std::uint64_t byte_count)
    : fd_(fd), cancel_(cancel), window_(kWindowBytes) {
  struct stat status;
  if (fstat(fd, &status) != 0) throw lost("fstat");
  end_ = static_cast<std::uint64_t>(status.st_size);
  is_cached_ = is_mostly_cached(fd, offset, available(offset, byte_count));
  if (access == FileAccess::kDirect || (access == FileAccess::kAuto && !is_cached_)) {
    direct_ = reopen(fd, O_RDONLY | O_DIRECT);
  }
  if (is_cached_ && direct_.get() < 0) return;
  // Has the kernel read twice as far ahead: 0.7 instead of 0.9 to 1.1 s for 1 GiB; bench/README.md.
  posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  scattered_ = reopen(fd, O_RDONLY);
  posix_fadvise(scattered_.get(), 0, 0, POSIX_FADV_RANDOM);
}

std::size_t ImageSource::read(std::uint64_t offset, std::span<std::byte> out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    const std::uint64_t at = offset + filled;
    if (at < window_offset_ || at >= window_offset_ + window_bytes_) {
      window_offset_ = at;
      window_bytes_ = read_at(scattered_.get() < 0 ? fd_ : scattered_.get(), at, window_.bytes());
      if (window_bytes_ == 0) break;
    }
    const std::size_t skipped = at - window_offset_;
    const std::size_t count = std::min(out.size() - filled, window_bytes_ - skipped);
    std::memcpy(out.data() + filled, window_.bytes().data() + skipped, count);
    filled += count;
  }
  return filled;
}

std::uint64_t ImageSource::skip(std::uint64_t offset, std::uint64_t byte_count) {
  return available(offset, byte_count);
}

std::size_t ImageSource::claim(Piece& piece) {
  piece.is_read = !is_direct(piece) && !is_cached_;
  return piece.is_read ? read_at(fd_, piece.offset, piece.pages())
                       : available(piece.offset, piece.pages().size());
}

void ImageSource::fetch(Piece& piece) {
  if (cancel_.is_fired()) throw Failure::cancelled();
  const std::size_t done = is_direct(piece) ? fetch_direct(piece) : 0;
  const std::size_t got = done + read_at(fd_, piece.offset + done, piece.pages().subspan(done));
  if (got < piece.pages().size()) {
    throw Failure{"STREAM_TRUNCATED",
                  {{"offset", piece.offset + got},
                   {"recordOffset", piece.record_offset},
                   {"recordType", kPageDataType}}};
  }
}

std::uint64_t ImageSource::available(std::uint64_t offset,
                                     std::uint64_t byte_count) const noexcept {
  return std::min(byte_count, end_ - std::min(end_, offset));
}

// Fills `out`, or returns how many octets there were until the end.
std::size_t ImageSource::read_at(int fd, std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t filled = 0;
  while (filled < out.size()) {
    if (cancel_.is_fired()) throw Failure::cancelled();
    const ssize_t count =
        pread(fd, out.data() + filled, out.size() - filled, static_cast<off_t>(offset + filled));
    if (count > 0) {
      filled += static_cast<std::size_t>(count);
    } else if (count == 0) {
      break;
    } else if (errno != EINTR) {
      throw lost("pread");
    }
  }
  return filled;
}

bool ImageSource::is_direct(const Piece& piece) const noexcept {
  return direct_.get() >= 0 && piece.offset % engine::kPageBytes == 0;
}

// Reads past the page cache; returns how many octets came: what is missing, for whatever reason,
// is left to the page cache.
std::size_t ImageSource::fetch_direct(Piece& piece) {
  const ssize_t count = pread(direct_.get(), piece.pages().data(), piece.pages().size(),
                              static_cast<off_t>(piece.offset));
  if (count <= 0) return 0;
  direct_bytes_ += static_cast<std::uint64_t>(count);
  return static_cast<std::size_t>(count);
}

}  // namespace xenferry::pump
