#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "../unique_fd.h"
#include "aligned_buffer.h"
#include "cancel.h"
#include "direct_file.h"
#include "page_source.h"

namespace xenferry::pump {

// An image in a regular file, of which several threads read pages at once. The file's octets are
// the stream's. Pages that lie at multiples of the page size can be read past the page cache.
class ImageSource final : public PageSource {
 public:
  // `fd` is the caller's; its position is not used. What is read lies from `offset` on, and is
  // `byte_count` octets where that is known.
  // Throws Failure TRANSPORT_LOST.
  ImageSource(int fd, std::uint64_t offset, FileAccess access, const Cancel& cancel,
              std::uint64_t byte_count = UINT64_MAX);

  std::size_t piece_pages() const noexcept override { return Piece::kPagesMax; }
  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override;
  std::uint64_t skip(std::uint64_t offset, std::uint64_t byte_count) override;
  std::size_t claim(Piece& piece) override;
  void fetch(Piece& piece) override;

  // Octets of pages that were read past the page cache.
  std::uint64_t direct_bytes() const noexcept { return direct_bytes_; }

 private:
  std::uint64_t available(std::uint64_t offset, std::uint64_t byte_count) const noexcept;
  std::size_t read_at(int fd, std::uint64_t offset, std::span<std::byte> out) const;
  bool is_direct(const Piece& piece) const noexcept;
  std::size_t fetch_direct(Piece& piece);

  int fd_;
  const Cancel& cancel_;
  std::uint64_t end_ = 0;
  // Most of the file is in the page cache. Else pages that are read through it are read in turn:
  // the kernel reads ahead for one reader, and several at once burn CPU time.
  bool is_cached_ = false;
  // For pages past the page cache; none where they are read through it.
  UniqueFd direct_;
  // For heads, which lie among pages that others read, past the cache or ahead; none where all is
  // cached.
  UniqueFd scattered_;
  std::atomic<std::uint64_t> direct_bytes_ = 0;

  // Octets of the file around the head being read: one call instead of three.
  AlignedBuffer window_;
  std::uint64_t window_offset_ = 0;
  std::size_t window_bytes_ = 0;
};

}  // namespace xenferry::pump
