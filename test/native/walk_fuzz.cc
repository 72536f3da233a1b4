// Has RecordWalk go through damaged PAGE_DATA records: nothing but a Failure may come of them, and
// what it gives out must be in bounds. Built with sanitizers by test/support/sanitize.mjs.
// Arguments: how many inputs (200000), and the seed (1). Prints one line; exit status 1 on a fault.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "../../native/pump/record_walk.h"

namespace {

using namespace xenferry;
using Stream = std::vector<std::uint8_t>;

constexpr std::uint64_t kPfnCount = 4096;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t below(std::uint64_t limit) { return engine_() % limit; }

 private:
  std::mt19937_64 engine_;
};

template <typename Value>
void append(Stream& stream, Value value) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
  stream.insert(stream.end(), bytes, bytes + sizeof value);
}

// A PAGE_DATA of `count` pages, most of them without data; packed into one frame if it has any.
void append_pages(Stream& stream, std::uint32_t count, bool is_packed, Random& random) {
  Stream words;
  std::size_t data_pages = 0;
  for (std::uint32_t index = 0; index < count; ++index) {
    constexpr std::uint64_t kTypes[] = {0, 0xd, 0xe, 0xe, 0xe, 0xf};
    const std::uint64_t type = data_pages < 3 ? kTypes[random.below(6)] : 0xe;
    append(words, type << 60 | random.below(kPfnCount));
    data_pages += type == 0;
  }
  Stream pages(data_pages * engine::kPageBytes, static_cast<std::uint8_t>(random.below(256)));
  if (is_packed && data_pages > 0) {
    Stream frame(pages.size());
    pump::zstd::Compressor compressor;
    frame.resize(compressor.compress(pages, frame));
    pages.clear();
    append(pages, static_cast<std::uint32_t>(frame.size()));
    pages.insert(pages.end(), frame.begin(), frame.end());
  }
  append(stream, is_packed ? pump::kPageDataZstdType : pump::kPageDataType);
  append(stream, static_cast<std::uint32_t>(8 + words.size() + pages.size()));
  append(stream, std::uint64_t{count});
  stream.insert(stream.end(), words.begin(), words.end());
  stream.insert(stream.end(), pages.begin(), pages.end());
  stream.resize((stream.size() + 7) / 8 * 8);
}

Stream sound_stream(Random& random) {
  Stream stream;
  for (std::uint64_t records = 1 + random.below(4); records > 0; --records) {
    if (!stream.empty() && random.below(4) == 0) {
      append(stream, pump::kPageAlignmentType);
      append(stream, std::uint32_t{16});
      stream.resize(stream.size() + 16);
    }
    const bool is_packed = random.below(2) == 0 && pump::zstd::is_available();
    append_pages(stream, static_cast<std::uint32_t>(1 + random.below(20)), is_packed, random);
  }
  append(stream, std::uint64_t{0});
  return stream;
}

void damage(Stream& stream, Random& random) {
  constexpr std::uint32_t kExtremes[] = {0, 1, 7, 0x1001, 0x0800'0001, 0x8000'0000, 0xffff'ffff};
  for (std::uint64_t times = random.below(4); times > 0 && stream.size() > 16; --times) {
    // Heads are what matters: they come first.
    const std::size_t reach = random.below(2) == 0 ? std::min<std::size_t>(stream.size(), 120)
                                                   : stream.size();
    const std::size_t at = random.below(reach - 8);
    switch (random.below(4)) {
      case 0:
        stream[at] ^= static_cast<std::uint8_t>(1u << random.below(8));
        break;
      case 1:
        std::memcpy(stream.data() + at / 4 * 4, &kExtremes[random.below(7)], 4);
        break;
      case 2:
        stream.resize(at);
        break;
      default:
        stream.erase(stream.begin() + static_cast<std::ptrdiff_t>(at / 8 * 8),
                     stream.begin() + static_cast<std::ptrdiff_t>(at / 8 * 8 + 8));
    }
  }
}

[[noreturn]] void fault(const char* what) {
  std::printf("fault: %s\n", what);
  std::exit(1);
}

// A stream in memory, of which every read is checked to be in order.
class MemorySource final : public pump::PageSource {
 public:
  explicit MemorySource(const Stream& stream) : stream_(stream) {}

  std::size_t piece_pages() const noexcept override { return pump::kPackPages; }

  std::size_t read(std::uint64_t offset, std::span<std::byte> out) override {
    const std::size_t count = skip(offset, out.size());
    std::memcpy(out.data(), stream_.data() + offset, count);
    return count;
  }

  std::uint64_t skip(std::uint64_t offset, std::uint64_t byte_count) override {
    if (offset != at_ || offset > stream_.size()) fault("read at another place");
    const std::uint64_t count = std::min<std::uint64_t>(byte_count, stream_.size() - offset);
    at_ += count;
    return count;
  }

  std::size_t claim(pump::Piece& piece) override {
    piece.is_read = true;
    return read(piece.offset, piece.pages());
  }

  void fetch(pump::Piece&) override {}

 private:
  const Stream& stream_;
  std::uint64_t at_ = sizeof(pump::RecordHeader);
};

class CheckingTarget final : public pump::PageTarget {
 public:
  std::uint64_t pfn_count() const noexcept override { return kPfnCount; }

  void expect(engine::ConstWords pfns, engine::ConstBytes types) override {
    if (pfns.size() != types.size()) fault("columns of two lengths");
    store(pfns, {});
  }

  void store(engine::ConstWords pfns, std::span<const std::byte>) override {
    if (std::ranges::any_of(pfns, [](std::uint32_t pfn) { return pfn >= kPfnCount; })) {
      fault("a frame that there is not");
    }
  }
};

// What came of it: the failure's code, or "read".
std::string walk(const Stream& stream) {
  pump::RecordHeader first;
  std::memcpy(&first, stream.data(), sizeof first);
  if (first.type != pump::kPageDataType && first.type != pump::kPageDataZstdType) return "other";
  MemorySource source{stream};
  CheckingTarget target;
  static pump::Piece piece{pump::kPackPages};
  try {
    pump::RecordWalk walk{source, target, engine::native_operations(), sizeof first};
    walk.begin(first);
    while (walk.take(piece)) {
      if (piece.count == 0 || piece.count > pump::kPackPages) fault("a piece of no size");
      piece.unpack();
      target.store(piece.pfns(), piece.pages());
    }
    if (walk.received().bytes > stream.size()) fault("more received than there was");
    return "read";
  } catch (const pump::Failure& failure) {
    return failure.code();
  }
}

}  // namespace

int main(int argument_count, char** arguments) {
  const std::uint64_t inputs = argument_count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 200'000;
  const std::uint64_t seed = argument_count > 2 ? std::strtoull(arguments[2], nullptr, 10) : 1;
  std::map<std::string, std::uint64_t> found;
  Random random{seed};
  for (std::uint64_t input = 0; input < inputs; ++input) {
    Stream stream = sound_stream(random);
    damage(stream, random);
    if (stream.size() >= sizeof(pump::RecordHeader)) ++found[walk(stream)];
  }
  std::printf("%ju inputs, seed %ju:", static_cast<std::uintmax_t>(inputs),
              static_cast<std::uintmax_t>(seed));
  for (const auto& [what, count] : found) {
    std::printf(" %s %ju", what.c_str(), static_cast<std::uintmax_t>(count));
  }
  std::printf("\n");
  return 0;
}
