// Writes a guest's memory into an aligned image by several threads, reads it back by several and has
// several checksum it, in each way, and compares; built with sanitizers by
// test/support/sanitize.mjs. Prints one line a round; exit status 1 on a difference.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include "../../native/pump/failure.h"
#include "../../native/pump/file_checksums.h"
#include "../../native/pump/image_file.h"
#include "../../native/pump/image_source.h"
#include "../../native/pump/receive.h"
#include "guest_memory.h"

namespace {

using namespace xenferry;
using driver::kPageCount;
using driver::Memory;
using driver::MemoryKind;
using pump::FileAccess;

constexpr std::size_t kRounds = 12;
// Where the first record starts: what is before it is for others.
constexpr std::uint64_t kStart = 48;

struct Round {
  FileAccess access;
  MemoryKind kind;
  bool skips_unchanged;
  std::size_t lane_count;
  std::size_t thread_count;
};

// A file without a name in the current folder.
int make_file() {
  std::string path = "image-driver-XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0 || unlink(path.c_str()) != 0) std::abort();
  return fd;
}

template <typename Value>
Value value_at(int fd, std::uint64_t offset) {
  Value value;
  if (pread(fd, &value, sizeof value, static_cast<off_t>(offset)) != sizeof value) std::abort();
  return value;
}

// Where the first PAGE_DATA starts.
std::uint64_t first_pages(int fd) {
  const auto header = value_at<pump::RecordHeader>(fd, kStart);
  return header.type == pump::kPageAlignmentType ? kStart + sizeof header + header.body_bytes
                                                 : kStart;
}

// Writes three iterations and an end; returns octets that went past the page cache.
std::uint64_t save(int fd, Memory& from, const Round& round, std::mt19937& random) {
  std::vector<std::uint8_t> key(engine::kDigestKeyBytes, 7);
  std::optional<pump::PageDigests> digests;
  if (round.skips_unchanged) digests.emplace(kPageCount, key, false);
  pump::SendPump sender{pump::GuestRam{{{0, from.bytes}}}, engine::native_operations(), 0,
                        std::move(digests)};
  const pump::Cancel cancel;
  std::vector<std::uint64_t> counters(pump::Counters::kCount);
  std::vector<std::uint8_t> dirty((kPageCount + 63) / 64 * 8);
  std::uint64_t position = kStart;
  std::uint64_t direct_bytes = 0;
  for (std::size_t number = 0; number < 3; ++number) {
    driver::change_pages(from.bytes, dirty, random);
    pump::Iteration iteration{{dirty, {}, number == 0, pump::Counters{counters}}};
    pump::ImageFile file{fd, position, round.access};
    position += pump::send_into(file, sender, iteration, round.lane_count, cancel);
    direct_bytes += file.direct_bytes();
  }
  const pump::RecordHeader end = {0, 0};
  if (pwrite(fd, &end, sizeof end, static_cast<off_t>(position)) != sizeof end) std::abort();
  return direct_bytes;
}

std::uint64_t restore(int fd, Memory& to, const Round& round) {
  const pump::Cancel cancel;
  std::vector<std::uint64_t> counters(pump::Counters::kCount);
  const std::uint64_t offset = first_pages(fd);
  const auto first = value_at<pump::RecordHeader>(fd, offset);
  pump::ImageSource source{fd, offset + sizeof first, round.access, cancel};
  pump::RamFile ram{to.fd, kPageCount};
  pump::ReceivePump{source, ram, engine::native_operations(), offset + sizeof first,
                    pump::Counters{counters}}.run(
      first, round.thread_count);
  return source.direct_bytes();
}

// Has threads checksum runs of pages of the file, with gaps, and compares.
bool are_checksums_right(int fd, std::size_t thread_count) {
  const auto page_count = static_cast<std::size_t>(lseek(fd, 0, SEEK_END)) / engine::kPageBytes;
  constexpr std::size_t kRangePages = 300;
  std::vector<pump::PageRange> ranges;
  std::vector<std::uint32_t> expected;
  std::vector<std::uint8_t> page(engine::kPageBytes);
  const std::uint32_t only = 0;
  for (std::size_t first = 0; first < page_count; first += kRangePages + 1) {
    const std::size_t count = std::min(kRangePages, page_count - first);
    ranges.push_back({first * engine::kPageBytes, count});
    for (std::size_t index = first; index < first + count; ++index) {
      const auto offset = static_cast<off_t>(index * engine::kPageBytes);
      if (pread(fd, page.data(), page.size(), offset) != engine::kPageBytes) std::abort();
      std::uint32_t crc = 0;
      engine::portable::checksum_pages(page, {&only, 1}, {&crc, 1});
      expected.push_back(crc);
    }
  }
  std::vector<std::uint32_t> crcs(expected.size());
  const pump::Cancel cancel;
  pump::checksum_file(fd, ranges, crcs, engine::native_operations(), thread_count, cancel);
  return crcs == expected;
}

bool run(const Round& round, std::mt19937& random) {
  Memory from{round.kind};
  Memory to;
  const int fd = make_file();
  const std::uint64_t written = save(fd, from, round, random);
  const std::uint64_t read = restore(fd, to, round);
  const bool is_right = are_checksums_right(fd, round.thread_count);
  close(fd);
  const bool is_equal =
      is_right && std::memcmp(from.bytes.data(), to.bytes.data(), from.bytes.size()) == 0;
  std::printf("%s%zu lanes, %zu threads, unchanged %s: past the cache %llu out, %llu in, %s\n",
              round.kind == MemoryKind::kSecret ? "not to be pinned, " : "", round.lane_count, round.thread_count, round.skips_unchanged ? "left out" : "sent",
              static_cast<unsigned long long>(written), static_cast<unsigned long long>(read),
              is_equal ? "equal" : "DIFFERENT");
  return is_equal;
}

}  // namespace

int main() {
  std::mt19937 random{1};
  bool are_equal = true;
  constexpr std::array kWays = {FileAccess::kDirect, FileAccess::kCached, FileAccess::kAuto};
  const bool has_secret = Memory::has_secret();
  if (!has_secret) std::printf("there is no memory here that cannot be pinned\n");
  for (std::size_t number = 0; number < kRounds; ++number) {
    try {
      const MemoryKind kind =
          has_secret && number % 4 == 3 ? MemoryKind::kSecret : MemoryKind::kPlain;
      const Round round = {kWays[number % kWays.size()], kind, number % 5 == 4, 1 + number % 3,
                           1 + number % 4};
      are_equal = run(round, random) && are_equal;
    } catch (const pump::Failure& failure) {
      std::printf("failed: %s\n", failure.code());
      are_equal = false;
    }
  }
  return are_equal ? 0 : 1;
}
