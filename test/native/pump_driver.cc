// Sends a guest's memory through both pumps over a socket pair and compares what arrived; built with
// sanitizers by test/support/sanitize.mjs. Prints one line a round; exit status 1 on a difference.
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <random>
#include <thread>

#include "../../native/pump/failure.h"
#include "../../native/pump/receive.h"
#include "../../native/pump/send.h"

namespace {

using namespace xenferry;

constexpr std::size_t kPageCount = 5000;
constexpr std::size_t kRounds = 6;

struct Round {
  bool elides_zero_pages;
  bool skips_unchanged;
  std::size_t thread_count;
};

struct Memory {
  int fd = memfd_create("ram", MFD_CLOEXEC);
  engine::Bytes bytes;

  Memory() {
    const std::size_t size = kPageCount * engine::kPageBytes;
    if (ftruncate(fd, static_cast<off_t>(size)) != 0) std::abort();
    void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) std::abort();
    bytes = {static_cast<std::uint8_t*>(at), size};
  }
  ~Memory() {
    munmap(bytes.data(), bytes.size());
    close(fd);
  }
};

void change_pages(engine::Bytes ram, engine::Bytes dirty, std::mt19937& random) {
  for (std::size_t page = 0; page < kPageCount; ++page) {
    if (random() % 3 != 0) continue;
    std::memset(ram.data() + page * engine::kPageBytes, static_cast<int>(random() % 4),
                engine::kPageBytes);
    dirty[page / 8] |= static_cast<std::uint8_t>(1u << (page % 8));
  }
}

bool run(const Round& round, std::mt19937& random) {
  const Memory from;
  const Memory to;
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) std::abort();
  std::vector<std::uint8_t> key(engine::kDigestKeyBytes, 7);
  std::optional<pump::PageDigests> digests;
  if (round.skips_unchanged) digests.emplace(kPageCount, key);
  const std::size_t half = kPageCount / 2;
  pump::SendPump sender{
      pump::GuestRam{{{0, from.bytes.first(half * engine::kPageBytes)},
                      {half, from.bytes.subspan(half * engine::kPageBytes)}}},
      engine::measured_operations(), 0, std::move(digests)};
  const pump::Cancel cancel;
  std::jthread sending([&] {
    std::vector<std::uint64_t> counters(pump::Counters::kCount);
    pump::Outlet outlet{ends[0], std::nullopt, cancel};
    std::vector<std::uint8_t> dirty((kPageCount + 63) / 64 * 8);
    for (std::size_t iteration = 0; iteration < 3; ++iteration) {
      change_pages(from.bytes, dirty, random);
      sender.send({dirty, {}, round.elides_zero_pages && iteration == 0,
                   pump::Counters{counters}},
                  outlet, cancel);
    }
    pump::RecordHeader end = {0, 0};
    iovec part = {&end, sizeof end};
    outlet.write_all({&part, 1});
    shutdown(ends[0], SHUT_WR);
  });
  pump::RecordHeader first;
  if (read(ends[1], &first, sizeof first) != sizeof first) std::abort();
  pump::Inlet inlet{ends[1], cancel};
  pump::StreamSource source{inlet};
  const pump::Received received =
      pump::ReceivePump{source, {to.fd, kPageCount}, engine::measured_operations(), sizeof first}.run(
          first, round.thread_count);
  sending.join();
  const bool is_equal = std::memcmp(from.bytes.data(), to.bytes.data(), from.bytes.size()) == 0;
  std::printf("%zu threads, zero pages %s, unchanged %s: %llu pages, %s\n", round.thread_count,
              round.elides_zero_pages ? "named" : "sent", round.skips_unchanged ? "left out" : "sent",
              static_cast<unsigned long long>(received.data_pages), is_equal ? "equal" : "DIFFERENT");
  close(ends[0]);
  close(ends[1]);
  return is_equal;
}

}  // namespace

int main() {
  std::mt19937 random{1};
  bool are_equal = true;
  for (std::size_t number = 0; number < kRounds; ++number) {
    try {
      are_equal = run({number % 2 == 0, number % 3 == 0, 1 + number % 4}, random) && are_equal;
    } catch (const pump::Failure& failure) {
      std::printf("failed: %s\n", failure.code());
      are_equal = false;
    }
  }
  return are_equal ? 0 : 1;
}
