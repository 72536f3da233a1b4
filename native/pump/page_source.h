#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "../engine/types.h"
#include "aligned_buffer.h"
#include "page_data.h"
#include "wire.h"
#include "zstd.h"

namespace xenferry::pump {

// Pages of one record on their way from a source into RAM. Reused.
class Piece {
 public:
  static constexpr std::size_t kPagesMax = 256;

  // For up to `page_count_max` pages, at most kPagesMax.
  explicit Piece(std::size_t page_count_max) : room_(page_count_max * engine::kPageBytes) {}

  std::size_t page_count_max() const noexcept { return room_.bytes().size() / engine::kPageBytes; }

  engine::Words pfns() noexcept { return engine::Words(pfns_).first(count); }
  engine::ConstWords pfns() const noexcept { return engine::ConstWords(pfns_).first(count); }
  std::span<std::byte> pages() noexcept { return room_.bytes().first(count * engine::kPageBytes); }
  std::span<const std::byte> pages() const noexcept {
    return room_.bytes().first(count * engine::kPageBytes);
  }

  // Makes the pages of what they are packed in, if they are. Throws Failure PAGE_DATA_COMPRESSION.
  void unpack();

  std::size_t count = 0;
  // The frame that the pages are to be made of; empty where they come as they are.
  std::vector<std::uint8_t> packed;
  // Whether the pages, or what they are packed in, have been read.
  bool is_read = false;
  // Where its pages and its record's header start in the stream.
  std::uint64_t offset = 0;
  std::uint64_t record_offset = 0;

 private:
  AlignedBuffer room_;
  std::array<std::uint32_t, kPagesMax> pfns_;
  std::unique_ptr<zstd::Decompressor> decompressor_;
};

// Where a stream's records and pages come from. Offsets are those of the stream.
class PageSource {
 public:
  virtual ~PageSource() = default;

  // Pages that a piece of this source has room for.
  virtual std::size_t piece_pages() const noexcept = 0;

  // The following go through the stream in its order, one call at a time. Each returns how many of
  // the octets there were: fewer than asked for only where the stream ends.
  // Throw Failure TRANSPORT_LOST or kCancelled.

  virtual std::size_t read(std::uint64_t offset, std::span<std::byte> out) = 0;
  virtual std::uint64_t skip(std::uint64_t offset, std::uint64_t byte_count) = 0;
  // Claims the pages of `piece`, and may read them, as it then says in the piece.
  virtual std::size_t claim(Piece& piece) = 0;

  // Reads the pages of a claimed piece. Any number of pieces at a time.
  // Throws Failure STREAM_TRUNCATED, TRANSPORT_LOST or kCancelled.
  virtual void fetch(Piece& piece) = 0;
};

// A stream from a socket or a pipe.
class StreamSource final : public PageSource {
 public:
  explicit StreamSource(Inlet& inlet) : inlet_(inlet) {}

  // A piece stays in the second level cache between its reading and its storing; a pack is one.
  std::size_t piece_pages() const noexcept override { return kPackPages; }

  std::size_t read(std::uint64_t, std::span<std::byte> out) override { return inlet_.read(out); }

  std::uint64_t skip(std::uint64_t, std::uint64_t byte_count) override;

  std::size_t claim(Piece& piece) override {
    piece.is_read = true;
    return inlet_.read(piece.pages());
  }
  void fetch(Piece&) override {}

 private:
  Inlet& inlet_;
};

}  // namespace xenferry::pump
