#include "record_walk.h"

#include <algorithm>
#include <array>

namespace xenferry::pump {
namespace {

// Source: src/format/libxc.ts, src/format/page-type.ts.

constexpr std::uint32_t kRecordBytesMax = 128u << 20;
constexpr std::size_t kPageDataHeadBytes = 8;
constexpr std::uint64_t kPfnHighMask = 0x000f'ffff'0000'0000;
constexpr std::uint64_t kReservedMask = 0x0ff0'0000'0000'0000;
constexpr unsigned kUnknownTypes = 0x01e0;
constexpr unsigned kTypesWithoutData = 1u << 0xd | 1u << 0xe | 1u << 0xf;

// What is read of pfn words at a time: memory grows with what arrived.
constexpr std::size_t kWordsBytesMax = 1 << 20;

bool is_page_data(std::uint32_t type) {
  return type == kPageDataType || (type == kPageDataZstdType && zstd::is_available());
}

bool has_type(unsigned types, std::uint8_t type) { return (types >> type & 1) != 0; }

}  // namespace

RecordWalk::RecordWalk(PageSource& source, PageTarget& target, const engine::Operations& operations,
                       std::uint64_t offset)
    : source_(source), target_(target), operations_(operations), offset_(offset) {}

bool RecordWalk::take(Piece& piece) {
  while (taken_pages_ == data_pfns_.size()) {
    if (!enter_next()) return false;
  }
  const std::size_t count_max = is_packed_ ? kPackPages : piece.page_count_max();
  piece.count = std::min(count_max, data_pfns_.size() - taken_pages_);
  piece.record_offset = record_offset_;
  std::ranges::copy(engine::ConstWords(data_pfns_).subspan(taken_pages_, piece.count),
                    piece.pfns().begin());
  if (is_packed_) {
    read_pack(piece);
  } else {
    claim_plain(piece);
  }
  taken_pages_ += piece.count;
  received_.data_pages += piece.count;
  if (is_packed_ && taken_pages_ == data_pfns_.size()) end_packed_record();
  return true;
}

void RecordWalk::claim_plain(Piece& piece) {
  piece.packed.clear();
  piece.offset = offset_;
  advance(source_.claim(piece), piece.pages().size());
}

// Reads the pack of the piece's pages; they are made of it outside of the turn.
void RecordWalk::read_pack(Piece& piece) {
  std::uint32_t packed_bytes;
  check_pack(kPackHeadBytes);
  read_exactly(std::as_writable_bytes(std::span(&packed_bytes, 1)));
  check_pack(packed_bytes);
  if (packed_bytes == 0 || packed_bytes > piece.pages().size()) throw damaged();
  if (packed_bytes == piece.pages().size()) {
    claim_plain(piece);
    return;
  }
  piece.is_read = true;
  piece.packed.resize(packed_bytes);
  read_exactly(std::as_writable_bytes(std::span(piece.packed)));
}

// Throws unless the record has so many octets left.
void RecordWalk::check_pack(std::uint64_t byte_count) const {
  if (offset_ + byte_count > body_end_) throw damaged();
}

Failure RecordWalk::damaged() const { return failure("PAGE_DATA_COMPRESSION", {}); }

void RecordWalk::end_packed_record() {
  if (offset_ != body_end_) throw damaged();
  std::array<std::byte, kRecordAlignBytes> zeros;
  const std::uint64_t body_bytes = body_end_ - record_offset_ - sizeof(RecordHeader);
  read_exactly(std::span(zeros).first(padding_of(body_bytes)));
}

// Reads the next header, and enters its record; false where it is another's.
bool RecordWalk::enter_next() {
  if (has_ended_) return false;
  RecordHeader header;
  record_offset_ = offset_;
  record_type_.reset();
  read_exactly(std::as_writable_bytes(std::span(&header, 1)));
  if (is_page_data(header.type)) {
    enter(header);
  } else if (header.type == kPageAlignmentType) {
    pass_alignment(header);
  } else {
    received_.next = header;
    has_ended_ = true;
  }
  return !has_ended_;
}

// Reads the record's head and checks all of it. `offset_` is behind its header.
void RecordWalk::enter(RecordHeader header) {
  record_offset_ = offset_ - sizeof header;
  begin_body(header);
  const std::uint64_t body_bytes = header.body_bytes;
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

// Goes past a record that only takes up room.
void RecordWalk::pass_alignment(RecordHeader header) {
  begin_body(header);
  const std::uint64_t padded_bytes = header.body_bytes + padding_of(header.body_bytes);
  advance(source_.skip(offset_, padded_bytes), padded_bytes);
  received_.bytes += sizeof header + padded_bytes;
}

// Begins with the record's body, if it is no longer than any may be.
void RecordWalk::begin_body(RecordHeader header) {
  record_type_ = header.type;
  if (header.body_bytes > kRecordBytesMax) {
    throw failure("RECORD_TOO_LONG",
                  {{"bodyBytes", header.body_bytes}, {"bodyBytesMax", kRecordBytesMax}});
  }
}

// A fault of the record entered.
Failure RecordWalk::failure(const char* code, Failure::Facts facts) const {
  facts.push_back({"offset", record_offset_});
  facts.push_back({"recordType", *record_type_});
  return Failure{code, std::move(facts)};
}

void RecordWalk::read_words(std::size_t word_count) {
  words_.clear();
  const std::size_t end = word_count * engine::kPfnWordBytes;
  while (words_.size() < end) {
    const std::size_t filled = words_.size();
    words_.resize(std::min(end, filled + kWordsBytesMax));
    read_exactly(std::as_writable_bytes(std::span(words_)).subspan(filled));
  }
}

// Splits the pfn words into columns. Reserved bits are ignored, as a receiver must.
void RecordWalk::decode_words() {
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
      throw failure("PAGE_DATA_PFN", {{"pfn", pfn}, {"index", done}});
    }
    engine::store_u64(refused, word & ~kReservedMask);
  }
}

// Throws where a frame cannot be; returns how many of them have data.
std::size_t RecordWalk::check_frames() const {
  for (std::size_t index = 0; index < types_.size(); ++index) {
    if (has_type(kUnknownTypes, types_[index])) {
      throw failure("PAGE_DATA_TYPE", {{"pageType", types_[index]}, {"index", index}});
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
void RecordWalk::keep_data_pfns() {
  std::size_t kept = 0;
  for (std::size_t index = 0; index < types_.size(); ++index) {
    data_pfns_[kept] = data_pfns_[index];
    kept += has_type(kTypesWithoutData, types_[index]) ? 0 : 1;
  }
  data_pfns_.resize(kept);
  taken_pages_ = 0;
}

void RecordWalk::read_exactly(std::span<std::byte> out) {
  advance(source_.read(offset_, out), out.size());
}

// Counts octets that the source was asked for.
void RecordWalk::advance(std::uint64_t got, std::uint64_t wanted) {
  if (got < wanted) {
    Failure::Facts facts = {{"offset", offset_ + got}, {"recordOffset", record_offset_}};
    if (record_type_.has_value()) facts.push_back({"recordType", *record_type_});
    throw Failure{"STREAM_TRUNCATED", std::move(facts)};
  }
  offset_ += wanted;
}

}  // namespace xenferry::pump
