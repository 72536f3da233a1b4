// Xen's stock loop, written anew from what it does: one thread; the bitmap bit by bit; batches of
// 1,024 pages; for each batch map, write (or copy), unmap, with arrays allocated on the way.
// Source: tools/libs/guest/xg_sr_save.c send_dirty_pages, write_batch; xg_sr_restore.c
// process_page_data, populate_pfns; xg_sr_common.c read_record. Where Xen asks its hypervisor
// (page types, populating), this asks Linux (nothing, fallocate).
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <vector>

#include "sockets.h"
#include "subcommands.h"

namespace xenferry::bench {
namespace {

constexpr std::size_t kBatchPagesMax = 1024;
constexpr std::uint32_t kPageData = 1;
constexpr std::uint32_t kEnd = 0;
constexpr std::size_t kRecordBytesMax = std::size_t{128} << 20;

struct RecordHeader {
  std::uint32_t type;
  std::uint32_t length;
};
static_assert(sizeof(RecordHeader) == 8);

struct PageDataHeader {
  std::uint32_t page_count;
  std::uint32_t reserved;
};
static_assert(sizeof(PageDataHeader) == 8);

// Pages of a file side by side at one address, as a foreign mapping shows them; populated.
class BatchMapping {
 public:
  BatchMapping(int fd, std::span<const std::uint64_t> pfns) : size_(pfns.size() * kPageBytes) {
    at_ = static_cast<std::byte*>(
        mmap(nullptr, size_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
    if (at_ == MAP_FAILED) fail("mmap");
    std::size_t first = 0;
    for (std::size_t index = 1; index <= pfns.size(); ++index) {
      if (index < pfns.size() && pfns[index] == pfns[index - 1] + 1) continue;
      void* run = mmap(at_ + first * kPageBytes, (index - first) * kPageBytes,
                       PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd,
                       static_cast<off_t>(pfns[first] * kPageBytes));
      if (run == MAP_FAILED) fail("mmap");
      first = index;
    }
  }
  BatchMapping(const BatchMapping&) = delete;
  BatchMapping& operator=(const BatchMapping&) = delete;
  ~BatchMapping() { munmap(at_, size_); }

  std::byte* page(std::size_t index) const { return at_ + index * kPageBytes; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  std::byte* at_;
};

bool test_bit(std::span<const std::uint64_t> bitmap, std::size_t bit) {
  return (bitmap[bit / 64] >> (bit % 64) & 1) != 0;
}

void write_batch(int socket_fd, int memory_fd, std::span<const std::uint64_t> batch) {
  const BatchMapping mapping{memory_fd, batch};
  const std::vector<std::uint64_t> pfn_words(batch.begin(), batch.end());
  const std::size_t head_bytes = sizeof(PageDataHeader) + batch.size() * sizeof(std::uint64_t);
  RecordHeader record{kPageData, static_cast<std::uint32_t>(head_bytes + mapping.size())};
  PageDataHeader head{static_cast<std::uint32_t>(batch.size()), 0};
  iovec pieces[] = {
      {&record, sizeof record},
      {&head, sizeof head},
      {const_cast<std::uint64_t*>(pfn_words.data()), pfn_words.size() * sizeof(std::uint64_t)},
      {mapping.page(0), mapping.size()},
  };
  write_all(socket_fd, pieces);
}

void populate(int memory_fd, std::span<const std::uint64_t> pfns, std::vector<bool>& populated) {
  std::size_t first = 0;
  for (std::size_t index = 1; index <= pfns.size(); ++index) {
    if (index < pfns.size() && pfns[index] == pfns[index - 1] + 1) continue;
    const std::size_t count = index - first;
    if (!populated.at(pfns[first]) &&
        fallocate(memory_fd, 0, static_cast<off_t>(pfns[first] * kPageBytes),
                  static_cast<off_t>(count * kPageBytes)) != 0) {
      fail("fallocate");
    }
    for (; first < index; ++first) populated.at(pfns[first]) = true;
  }
}

// Returns how many pages the record held.
std::size_t take_page_data(int memory_fd, std::span<const std::byte> body,
                           std::vector<bool>& populated) {
  PageDataHeader head;
  if (body.size() < sizeof head) throw std::runtime_error("short PAGE_DATA");
  std::memcpy(&head, body.data(), sizeof head);
  const std::size_t count = head.page_count;
  const std::size_t head_bytes = sizeof head + count * sizeof(std::uint64_t);
  if (count > kBatchPagesMax || body.size() != head_bytes + count * kPageBytes) {
    throw std::runtime_error("wrong PAGE_DATA");
  }
  std::vector<std::uint64_t> pfns(count);
  std::memcpy(pfns.data(), body.data() + sizeof head, count * sizeof(std::uint64_t));
  populate(memory_fd, pfns, populated);
  const BatchMapping mapping{memory_fd, pfns};
  for (std::size_t index = 0; index < count; ++index) {
    std::memcpy(mapping.page(index), body.data() + head_bytes + index * kPageBytes, kPageBytes);
  }
  return count;
}

template <typename Value>
void read_value(int fd, Value& value) {
  if (read_full(fd, std::as_writable_bytes(std::span{&value, 1})) != sizeof value) {
    throw std::runtime_error("stream ended");
  }
}

}  // namespace

void stock_send(const Options& options) {
  const Memory memory = Memory::random(options.size("bytes"));
  const std::size_t page_count = memory.bytes().size() / kPageBytes;
  const std::vector<std::uint64_t> bitmap((page_count + 63) / 64, ~std::uint64_t{0});
  const UniqueFd fd = connect_to(options.text("address"));
  const Stopwatch stopwatch;
  std::vector<std::uint64_t> batch;
  for (std::size_t pfn = 0; pfn < page_count; ++pfn) {
    if (!test_bit(bitmap, pfn)) continue;
    batch.push_back(pfn);
    if (batch.size() == kBatchPagesMax) {
      write_batch(fd.get(), memory.fd.get(), batch);
      batch.clear();
    }
  }
  if (!batch.empty()) write_batch(fd.get(), memory.fd.get(), batch);
  RecordHeader end{kEnd, 0};
  iovec piece{&end, sizeof end};
  write_all(fd.get(), {&piece, 1});
  print_report(page_count * kPageBytes, stopwatch.cost());
}

void stock_receive(const Options& options) {
  const Memory memory = Memory::sparse(options.size("bytes"));
  std::vector<bool> populated(memory.bytes().size() / kPageBytes);
  const UniqueFd fd = accept_at(options.text("address"));
  std::size_t page_count = 0;
  RecordHeader record;
  read_value(fd.get(), record);
  const Stopwatch stopwatch;
  for (; record.type != kEnd; read_value(fd.get(), record)) {
    if (record.length > kRecordBytesMax) throw std::runtime_error("record too long");
    const auto body = std::make_unique_for_overwrite<std::byte[]>(record.length);
    const std::span<std::byte> bytes{body.get(), record.length};
    if (read_full(fd.get(), bytes) != bytes.size()) throw std::runtime_error("stream ended");
    page_count += take_page_data(memory.fd.get(), bytes, populated);
  }
  const Cost cost = stopwatch.cost();
  if (!is_random(memory.bytes(), kSeed)) throw std::runtime_error("memory differs");
  print_report(page_count * kPageBytes, cost);
}

}  // namespace xenferry::bench
