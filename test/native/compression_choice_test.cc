// Tests of CompressionChoice over links that are made up: prints what fails, and how much there
// was; exit status 1 on a failure.
#include "../../native/pump/compression_choice.h"

#include <algorithm>

#include "check.h"

namespace xenferry::test {
namespace {

constexpr double kBatchBytes = 4 << 20;

// A link that takes octets at once as long as it owes less than its room, as sockets and the
// bandwidth limit do.
struct Link {
  double bytes_per_second;
  double room_bytes;
  double queued_bytes = 0;

  void pass(double seconds) {
    queued_bytes = std::max(0.0, queued_bytes - seconds * bytes_per_second);
  }

  // How long the sender waits.
  double send(double bytes) {
    queued_bytes += bytes;
    const double wait = std::max(0.0, queued_bytes - room_bytes) / bytes_per_second;
    pass(wait);
    return wait;
  }
};

struct Content {
  double packed_share;
  double packed_bytes_per_second = 500e6;
};

// Sends `batches`; returns how many of them were packed.
unsigned run(pump::CompressionChoice& choice, Link& link, Content content, unsigned batches) {
  unsigned packed = 0;
  for (unsigned batch = 0; batch < batches; ++batch) {
    const bool packs = choice.packs_next();
    const double packing = packs ? kBatchBytes / content.packed_bytes_per_second : 0;
    link.pass(packing);
    const double sending = link.send(kBatchBytes * (packs ? content.packed_share : 1));
    const std::chrono::duration<double> elapsed(packing + sending + 1e-4);
    choice.sent(static_cast<std::uint64_t>(kBatchBytes), packs,
                std::chrono::duration_cast<pump::CompressionChoice::Duration>(elapsed));
    packed += packs;
  }
  return packed;
}

constexpr double kNoRoom = 0;
constexpr double kSocketBytes = 8 << 20;

// 4 batches plain to know what that costs; all others packed.
void test_slow_link() {
  for (const double room : {kNoRoom, kSocketBytes}) {
    pump::CompressionChoice choice;
    Link link{110e6, room};
    CHECK_EQUAL(run(choice, link, {0.1}, 32), 28);
  }
}

// 4 batches packed to know what that costs; all others plain.
void test_fast_link() {
  pump::CompressionChoice choice;
  Link link{4e9, kSocketBytes};
  CHECK_EQUAL(run(choice, link, {0.1}, 64), 4);
}

void test_content_that_does_not_pack() {
  pump::CompressionChoice choice;
  Link link{110e6, kSocketBytes};
  CHECK_EQUAL(run(choice, link, {1}, 64), 4);
}

// The way that lost is looked at again within 256 batches.
void test_link_that_becomes_slow() {
  pump::CompressionChoice choice;
  Link link{4e9, kSocketBytes};
  CHECK_EQUAL(run(choice, link, {0.1}, 64), 4);
  link.bytes_per_second = 110e6;
  run(choice, link, {0.1}, 256);
  CHECK(run(choice, link, {0.1}, 64) >= 60);
}

void test_cost() {
  pump::CompressionChoice choice;
  CHECK(choice.cost() == 0);
  for (unsigned batch = 0; batch < 3; ++batch) choice.sent(1000, false, std::chrono::seconds(2));
  CHECK(choice.cost() == 0.002);
  for (unsigned batch = 0; batch < 3; ++batch) choice.sent(1000, true, std::chrono::seconds(1));
  CHECK(choice.cost() == 0.001);
}

}  // namespace
}  // namespace xenferry::test

int main() {
  using namespace xenferry::test;
  test_slow_link();
  test_fast_link();
  test_content_that_does_not_pack();
  test_link_that_becomes_slow();
  test_cost();
  std::printf("%d checks, %d failures\n", checks, failures);
  return failures == 0 ? 0 : 1;
}
