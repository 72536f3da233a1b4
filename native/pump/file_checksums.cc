#include "file_checksums.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

#include "failure.h"
#include "image_source.h"

namespace xenferry::pump {
namespace {

// Some pages of a range, and the place of their checksums.
struct Part {
  std::uint64_t offset;
  std::size_t page_count;
  std::size_t first_crc;
};

std::vector<Part> parts_of(std::span<const PageRange> ranges) {
  std::vector<Part> parts;
  std::size_t first_crc = 0;
  for (const auto& [offset, page_count] : ranges) {
    for (std::size_t done = 0; done < page_count; done += Piece::kPagesMax) {
      const std::size_t count = std::min(Piece::kPagesMax, page_count - done);
      parts.push_back({offset + done * engine::kPageBytes, count, first_crc + done});
    }
    first_crc += page_count;
  }
  return parts;
}

class Checksumming {
 public:
  Checksumming(ImageSource& source, std::span<const Part> parts, engine::Words out_crcs,
               engine::ChecksumPages* checksum_pages)
      : source_(source), parts_(parts), out_crcs_(out_crcs), checksum_pages_(checksum_pages) {
    std::iota(indexes_.begin(), indexes_.end(), 0);
  }

  void run(std::size_t thread_count) {
    std::vector<std::jthread> helpers;
    while (helpers.size() + 1 < thread_count) helpers.emplace_back([this] { work(); });
    work();
    helpers.clear();
    if (failure_ != nullptr) std::rethrow_exception(failure_);
  }

 private:
  void work() noexcept {
    try {
      Piece piece{Piece::kPagesMax};
      while (const Part* part = claim(piece)) {
        if (!piece.is_read) source_.fetch(piece);
        const auto* pages = reinterpret_cast<const std::uint8_t*>(piece.pages().data());
        checksum_pages_({pages, piece.pages().size()},
                        engine::ConstWords(indexes_).first(part->page_count),
                        out_crcs_.subspan(part->first_crc, part->page_count));
      }
    } catch (...) {
      const std::lock_guard<std::mutex> turn(turn_);
      if (failure_ == nullptr) failure_ = std::current_exception();
    }
  }

  // The next part, whose pages are read in turn where the source wants that.
  const Part* claim(Piece& piece) {
    const std::lock_guard<std::mutex> turn(turn_);
    if (failure_ != nullptr || next_ == parts_.size()) return nullptr;
    const Part& part = parts_[next_++];
    piece.count = part.page_count;
    piece.offset = part.offset;
    piece.record_offset = part.offset;
    if (source_.claim(piece) < piece.pages().size()) {
      throw Failure{"STREAM_TRUNCATED", {{"offset", part.offset}}};
    }
    return &part;
  }

  ImageSource& source_;
  std::span<const Part> parts_;
  engine::Words out_crcs_;
  engine::ChecksumPages* checksum_pages_;
  std::array<std::uint32_t, Piece::kPagesMax> indexes_;
  std::mutex turn_;
  std::size_t next_ = 0;
  std::exception_ptr failure_;
};

}  // namespace

void checksum_file(int fd, std::span<const PageRange> ranges, engine::Words out_crcs,
                   const engine::Operations& operations, std::size_t thread_count,
                   const Cancel& cancel) {
  const std::vector<Part> parts = parts_of(ranges);
  if (parts.empty()) return;
  const auto [first, last] = std::ranges::minmax_element(parts, {}, &Part::offset);
  const std::uint64_t end = last->offset + last->page_count * engine::kPageBytes;
  ImageSource source{fd, first->offset, FileAccess::kAuto, cancel, end - first->offset};
  Checksumming{source, parts, out_crcs, operations.checksum_pages.run()}.run(thread_count);
}

}  // namespace xenferry::pump
