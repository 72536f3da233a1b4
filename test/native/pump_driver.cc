// Sends a guest's memory through both pumps over a socket pair and compares what arrived; built with
// sanitizers by test/support/sanitize.mjs. Prints one line a round; exit status 1 on a difference.
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <thread>

#include "../../native/pump/failure.h"
#include "../../native/pump/receive.h"
#include "../../native/pump/send.h"
#include "guest_memory.h"

namespace {

using namespace xenferry;
using driver::change_pages;
using driver::kPageCount;
using driver::Memory;

constexpr std::size_t kRounds = 12;

struct Round {
  bool elides_zero_pages;
  bool skips_unchanged;
  bool packs;
  std::size_t thread_count;
  std::size_t channel_count;
};

// One way from the source to the target.
class Channel {
 public:
  Channel() : ends_(make_pair_of_sockets()) {}
  ~Channel() {
    close(ends_[0]);
    close(ends_[1]);
  }

  // A header that ends what is received.
  void end() {
    pump::RecordHeader header = {0, 0};
    iovec part = {&header, sizeof header};
    std::vector<std::uint64_t> words(pump::Counters::kCount);
    outlet.send({&part, 1}, pump::Counters{words});
  }

  // Receives what comes until `end`.
  std::uint64_t receive(pump::RamFile& ram, std::size_t thread_count) {
    pump::RecordHeader first;
    if (read(ends_[1], &first, sizeof first) != sizeof first) std::abort();
    if (first.type == 0) return 0;
    std::vector<std::uint64_t> words(pump::Counters::kCount);
    const pump::Counters counters{words};
    pump::Inlet inlet{ends_[1], cancel, counters};
    pump::StreamSource source{inlet};
    return pump::ReceivePump{source, ram, engine::native_operations(), sizeof first, counters}
        .run(first, thread_count)
        .data_pages;
  }

 private:
  static std::array<int, 2> make_pair_of_sockets() {
    std::array<int, 2> ends;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) std::abort();
    return ends;
  }

  std::array<int, 2> ends_;

 public:
  pump::Cancel cancel;
  pump::Outlet outlet{ends_[0], std::nullopt, cancel};
};

void send_iteration(pump::SendPump& sender, pump::Iteration& iteration,
                    std::vector<std::unique_ptr<Channel>>& channels) {
  std::vector<std::jthread> lanes;
  for (const auto& channel : channels) {
    lanes.emplace_back([&] {
      sender.send(iteration, channel->outlet, channel->cancel);
      channel->end();
    });
  }
}

std::uint64_t receive_iteration(pump::RamFile& ram, std::size_t thread_count,
                                std::vector<std::unique_ptr<Channel>>& channels) {
  std::atomic<std::uint64_t> pages = 0;
  std::vector<std::jthread> readers;
  for (const auto& channel : channels) {
    readers.emplace_back([&] { pages += channel->receive(ram, thread_count); });
  }
  readers.clear();
  return pages;
}

bool run(const Round& round, std::mt19937& random) {
  const Memory from;
  const Memory to;
  std::vector<std::unique_ptr<Channel>> channels(round.channel_count);
  for (auto& channel : channels) channel = std::make_unique<Channel>();
  std::vector<std::uint8_t> key(engine::kDigestKeyBytes, 7);
  std::optional<pump::PageDigests> digests;
  if (round.skips_unchanged) digests.emplace(kPageCount, key, round.packs);
  const std::size_t half = kPageCount / 2;
  pump::SendPump sender{pump::GuestRam{{{0, from.bytes.first(half * engine::kPageBytes)},
                                        {half, from.bytes.subspan(half * engine::kPageBytes)}}},
                        engine::native_operations(), 0, std::move(digests)};
  if (round.packs) sender.pack(pump::CompressionMode::kAuto);
  pump::RamFile ram{to.fd, kPageCount};
  std::vector<std::uint64_t> counters(pump::Counters::kCount);
  std::vector<std::uint8_t> dirty((kPageCount + 63) / 64 * 8);
  std::uint64_t pages = 0;
  for (std::size_t number = 0; number < 3; ++number) {
    change_pages(from.bytes, dirty, random);
    pump::Iteration iteration{
        {dirty, {}, round.elides_zero_pages && number == 0, pump::Counters{counters}}};
    std::jthread sending([&] { send_iteration(sender, iteration, channels); });
    pages += receive_iteration(ram, round.thread_count, channels);
  }
  const bool is_equal = std::memcmp(from.bytes.data(), to.bytes.data(), from.bytes.size()) == 0;
  std::printf("%zu channels, %zu threads each, zero pages %s, unchanged %s, %s: %llu pages, %s\n",
              round.channel_count, round.thread_count, round.elides_zero_pages ? "named" : "sent",
              round.skips_unchanged ? "left out" : "sent", round.packs ? "packed" : "plain",
              static_cast<unsigned long long>(pages), is_equal ? "equal" : "DIFFERENT");
  return is_equal;
}

}  // namespace

int main() {
  std::mt19937 random{1};
  bool are_equal = true;
  for (std::size_t number = 0; number < kRounds; ++number) {
    try {
      const Round round = {number % 2 == 0, number % 3 == 0, pump::zstd::is_available() && number > 3,
                           1 + number % 4, 1 + number % 3};
      are_equal = run(round, random) && are_equal;
    } catch (const pump::Failure& failure) {
      std::printf("failed: %s\n", failure.code());
      are_equal = false;
    }
  }
  return are_equal ? 0 : 1;
}
