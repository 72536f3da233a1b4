#include "receive.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <thread>

#include "failure.h"
#include "zstd.h"

namespace xenferry::pump {
namespace {

// Source: src/format/libxc.ts, src/format/page-type.ts.

constexpr std::uint32_t kRecordBytesMax = 128u << 20;
constexpr std::size_t kPageDataHeadBytes = 8;
constexpr std::uint64_t kPfnHighMask = 0x000f'ffff'0000'0000;
constexpr std::uint64_t kReservedMask = 0x0ff0'0000'0000'0000;
constexpr unsigned kUnknownTypes = 0x01e0;
constexpr unsigned kTypesWithoutData = 1u << 0xd | 1u << 0xe | 1u << 0xf;

// A piece stays in the second level cache between its reading and its storing; a pack is one.
constexpr std::size_t kPiecePages = kPackPages;
// What is read of pfn words at a time: memory grows with what arrived.
constexpr std::size_t kWordsBytesMax = 1 << 20;

bool is_page_data(std::uint32_t type) {
  return type == kPageDataType || (type == kPageDataZstdType && zstd::is_available());
}

bool has_type(unsigned types, std::uint8_t type) { return (types >> type & 1) != 0; }

}  // namespace

// Pages on their way from the transport into RAM.
struct ReceivePump::Piece {
  std::array<std::byte, kPiecePages * engine::kPageBytes> pages;
  std::array<std::uint32_t, kPiecePages> pfns;
  std::size_t count = 0;
  // The frame that `pages` are to be made of; empty where they are there.
  std::vector<std::uint8_t> packed;
  std::uint64_t record_offset = 0;
  std::unique_ptr<zstd::Decompressor> decompressor;

  engine::ConstWords used_pfns() const { return engine::ConstWords(pfns).first(count); }

  std::span<std::byte> used_pages() { return std::span(pages).first(count * engine::kPageBytes); }

  void unpack();
};

void ReceivePump::Piece::unpack() {
  if (packed.empty()) return;
  if (decompressor == nullptr) decompressor = std::make_unique<zstd::Decompressor>();
  const std::span<std::byte> out = used_pages();
  if (!decompressor->decompress(packed,
                                {reinterpret_cast<std::uint8_t*>(out.data()), out.size()})) {
    throw Failure{"PAGE_DATA_COMPRESSION", {{"offset", record_offset}}};
  }
}

ReceivePump::ReceivePump(Inlet& inlet, PageTarget& target, const engine::Operations& operations,
                         std::uint64_t offset)
    : inlet_(inlet), target_(target), operations_(operations), offset_(offset) {}

Received ReceivePump::run(RecordHeader first, std::size_t thread_count) {
  enter_record(first);
  std::vector<std::jthread> helpers;
  while (helpers.size() + 1 < thread_count) helpers.emplace_back([this] { work(); });
  work();
  helpers.clear();
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  return received_;
}

void ReceivePump::work() noexcept {
  try {
    const auto piece = std::make_unique<Piece>();
    for (;;) {
      if (!take_turn(*piece)) return;
      piece->unpack();
      target_.store(piece->used_pfns(), piece->used_pages());
      const std::lock_guard<std::mutex> state(state_);
      --in_flight_;
      landed_.notify_all();
    }
  } catch (...) {
    keep_failure();
  }
}

// Reads a piece when it is this thread's turn; false where nothing is left to read. A failure is
// kept before the turn ends: what the next thread would meet is only its consequence.
bool ReceivePump::take_turn(Piece& piece) noexcept {
  const std::lock_guard<std::mutex> turn(turn_);
  try {
    if (!read_piece(piece)) return false;
    await_order(piece);
    return true;
  } catch (...) {
    keep_failure();
    return false;
  }
}

// Keeps the exception being handled, unless one was kept before.
void ReceivePump::keep_failure() noexcept {
  const std::lock_guard<std::mutex> state(state_);
  if (failure_ == nullptr) failure_ = std::current_exception();
  landed_.notify_all();
}

// Reads up to a piece's pages of one record; false where nothing is left to read.
bool ReceivePump::read_piece(Piece& piece) {
  for (;;) {
    {
      const std::lock_guard<std::mutex> state(state_);
      if (has_ended_ || failure_ != nullptr) return false;
    }
    if (taken_pages_ < data_pfns_.size()) break;
    RecordHeader header;
    record_offset_ = offset_;
    is_in_header_ = true;
    read_exactly(std::as_writable_bytes(std::span(&header, 1)));
    is_in_header_ = false;
    if (!is_page_data(header.type)) {
      received_.next = header;
      has_ended_ = true;
      return false;
    }
    enter_record(header);
  }
  piece.count = std::min(kPiecePages, data_pfns_.size() - taken_pages_);
  std::copy_n(data_pfns_.begin() + static_cast<std::ptrdiff_t>(taken_pages_), piece.count,
              piece.pfns.begin());
  if (is_packed_) {
    read_pack(piece);
  } else {
    piece.packed.clear();
    read_exactly(piece.used_pages());
  }
  taken_pages_ += piece.count;
  received_.data_pages += piece.count;
  if (is_packed_ && taken_pages_ == data_pfns_.size()) end_packed_record();
  return true;
}

// Reads the pack of the piece's pages; they are made of it outside of the turn.
void ReceivePump::read_pack(Piece& piece) {
  std::uint32_t packed_bytes;
  check_pack(kPackHeadBytes);
  read_exactly(std::as_writable_bytes(std::span(&packed_bytes, 1)));
  check_pack(packed_bytes);
  const std::span<std::byte> pages = piece.used_pages();
  if (packed_bytes == 0 || packed_bytes > pages.size()) throw damaged();
  const bool is_plain = packed_bytes == pages.size();
  piece.packed.resize(is_plain ? 0 : packed_bytes);
  piece.record_offset = record_offset_;
  read_exactly(is_plain ? pages : std::as_writable_bytes(std::span(piece.packed)));
}

// Throws unless the record has so many octets left.
void ReceivePump::check_pack(std::uint64_t byte_count) const {
  if (offset_ + byte_count > body_end_) throw damaged();
}

Failure ReceivePump::damaged() const {
  return Failure{"PAGE_DATA_COMPRESSION", {{"offset", record_offset_}}};
}

void ReceivePump::end_packed_record() {
  if (offset_ != body_end_) throw damaged();
  std::array<std::byte, kRecordAlignBytes> zeros;
  const std::uint64_t body_bytes = body_end_ - record_offset_ - sizeof(RecordHeader);
  read_exactly(std::span(zeros).first(padding_of(body_bytes)));
}

// Reads the record's head and checks all of it. `offset_` is behind its header.
void ReceivePump::enter_record(RecordHeader header) {
  record_offset_ = offset_ - sizeof header;
  const auto failure = [this](const char* code, Failure::Facts facts) {
    facts.insert(facts.begin(), {"offset", record_offset_});
    return Failure{code, std::move(facts)};
  };
  const std::uint64_t body_bytes = header.body_bytes;
  if (body_bytes > kRecordBytesMax) {
    throw failure("RECORD_TOO_LONG",
                  {{"bodyBytes", body_bytes}, {"bodyBytesMax", kRecordBytesMax}});
  }
  if (body_bytes < kPageDataHeadBytes) {
    throw failure("PAGE_DATA_LENGTH", {{"bodyBytes", body_bytes}});
  }
  std::array<std::uint32_t, 2> head;
  read_exactly(std::as_writable_bytes(std::span(head)));
  const std::uint64_t page_count = head[0];
  if (page_count == 0) throw failure("PAGE_DATA_COUNT", {});
  const std::uint64_t words_end = kPageDataHeadBytes + page_count * engine::kPfnWordBytes;
  if (words_end > body_bytes) {
    throw failure("PAGE_DATA_LENGTH", {{"bodyBytes", body_bytes}, {"pageCount", page_count}});
  }
  read_words(page_count);
  decode_words();
  const std::uint64_t data_pages = check_frames();
  is_packed_ = header.type == kPageDataZstdType;
  body_end_ = record_offset_ + sizeof header + body_bytes;
  if (!is_packed_ && body_bytes != words_end + data_pages * engine::kPageBytes) {
    throw failure(
        "PAGE_DATA_LENGTH",
        {{"bodyBytes", body_bytes}, {"pageCount", page_count}, {"dataPages", data_pages}});
  }
  target_.expect(data_pfns_, types_);
  keep_data_pfns();
  received_.records += 1;
  received_.entries += page_count;
  received_.bytes += sizeof header + body_bytes + padding_of(body_bytes);
  if (is_packed_ && data_pages == 0) end_packed_record();
}

void ReceivePump::read_words(std::size_t word_count) {
  words_.clear();
  const std::size_t end = word_count * engine::kPfnWordBytes;
  while (words_.size() < end) {
    const std::size_t filled = words_.size();
    words_.resize(std::min(end, filled + kWordsBytesMax));
    read_exactly(std::as_writable_bytes(std::span(words_)).subspan(filled));
  }
}

// Splits the pfn words into columns. Reserved bits are ignored, as a receiver must.
void ReceivePump::decode_words() {
  const std::size_t count = words_.size() / engine::kPfnWordBytes;
  data_pfns_.resize(count);
  types_.resize(count);
  std::size_t done = 0;
  while (done < count) {
    const engine::Bytes rest = engine::Bytes(words_).subspan(done * engine::kPfnWordBytes);
    done += operations_.decode_page_data_head.run()(rest, engine::Words(data_pfns_).subspan(done),
                                                    engine::Bytes(types_).subspan(done));
    if (done == count) break;
    std::uint8_t* const refused = words_.data() + done * engine::kPfnWordBytes;
    const std::uint64_t word = engine::load_u64(refused);
    if ((word & kPfnHighMask) != 0) {
      const std::uint64_t pfn = word & (kPfnHighMask | 0xffff'ffff);
      throw Failure{"PAGE_DATA_PFN", {{"offset", record_offset_}, {"pfn", pfn}, {"index", done}}};
    }
    engine::store_u64(refused, word & ~kReservedMask);
  }
}

// Throws where a frame cannot be; returns how many of them have data.
std::size_t ReceivePump::check_frames() const {
  for (std::size_t index = 0; index < types_.size(); ++index) {
    if (has_type(kUnknownTypes, types_[index])) {
      throw Failure{"PAGE_DATA_TYPE",
                    {{"offset", record_offset_}, {"pageType", types_[index]}, {"index", index}}};
    }
  }
  const auto outside = std::find_if(data_pfns_.begin(), data_pfns_.end(),
                                    [&](std::uint32_t pfn) { return pfn >= target_.pfn_count(); });
  if (outside != data_pfns_.end()) {
    throw Failure{
        "GUEST_PFN_RANGE",
        {{"offset", record_offset_}, {"pfn", *outside}, {"pfnCount", target_.pfn_count()}}};
  }
  return static_cast<std::size_t>(std::ranges::count_if(
      types_, [](std::uint8_t type) { return !has_type(kTypesWithoutData, type); }));
}

// Drops the frames without data from `data_pfns_`.
void ReceivePump::keep_data_pfns() {
  std::size_t kept = 0;
  for (std::size_t index = 0; index < types_.size(); ++index) {
    data_pfns_[kept] = data_pfns_[index];
    kept += has_type(kTypesWithoutData, types_[index]) ? 0 : 1;
  }
  data_pfns_.resize(kept);
  taken_pages_ = 0;
}

void ReceivePump::read_exactly(std::span<std::byte> out) {
  const std::size_t got = inlet_.read(out);
  if (got < out.size()) {
    throw Failure{"STREAM_TRUNCATED",
                  {{"offset", offset_ + got},
                   {"recordOffset", record_offset_},
                   {"isInHeader", is_in_header_ ? 1u : 0u}}};
  }
  offset_ += out.size();
}

// Pages are stored in the stream's order where that matters: a piece that names a page which one in
// flight may name too waits until all of those have landed.
void ReceivePump::await_order(const Piece& piece) {
  const auto [lowest, highest] = std::ranges::minmax(piece.used_pfns());
  std::unique_lock<std::mutex> state(state_);
  if (lowest < in_flight_end_) {
    landed_.wait(state, [&] { return in_flight_ == 0 || failure_ != nullptr; });
  }
  in_flight_end_ = std::uint64_t{highest} + 1;
  ++in_flight_;
}

}  // namespace xenferry::pump
