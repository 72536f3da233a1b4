#include "../../../native/xen/pv_p2m.h"

#include "../check.h"
#include "pv_guest.h"
#include "pv_tests.h"

namespace xenferry::test {

namespace {

constexpr Mfn kMfnCount = 0x4000;

P2mWalk walk_over(const FakeMemory& memory, PvWidth width) {
  return {width, kMfnCount, [&](Mfn mfn, std::span<std::uint8_t, kPageBytes> page) {
            return memory.read(mfn, page);
          }};
}

std::string failure_of_walk(const P2mLocation& location, const FakeMemory& memory, PvWidth width) {
  return failure_of([&] { find_p2m(location, walk_over(memory, width)); });
}

void reads_shared_info() {
  std::array<std::uint8_t, kPageBytes> page{};
  for (const PvWidth width : {PvWidth::k32, PvWidth::k64}) {
    const std::size_t at = width == PvWidth::k64 ? 3088 : 2316;
    // max_pfn, frame list list, nmi_reason, cr3, vaddr, generation.
    for (std::size_t word = 0; word < 6; ++word) {
      store_word(page, at + word * word_bytes(width), width, 0x8000'0010 + word);
    }
    const P2mLocation location = locate_p2m(page, width);
    CHECK(
        (location == P2mLocation{0x8000'0010, 0x8000'0011, 0x8000'0013, 0x8000'0014, 0x8000'0015}));
  }
}

// Three levels for 1300 pfns, 512 or 1024 a frame.
void follows_frame_lists() {
  for (const PvWidth width : {PvWidth::k32, PvWidth::k64}) {
    FakeMemory memory{width};
    memory.set_word(0x10, 0, 0x20);
    const std::size_t frame_count = width == PvWidth::k64 ? 3 : 2;
    for (std::size_t index = 0; index < frame_count; ++index) {
      memory.set_word(0x20, index, 0x30 + index);
    }
    const P2mFrames found = find_p2m({1300, 0x10, 0, 0, 0}, walk_over(memory, width));
    CHECK_EQUAL(found.pfn_count, 1300);
    CHECK_EQUAL(found.mfns.size(), frame_count);
    CHECK_EQUAL(found.mfns[0], 0x30);
    CHECK_EQUAL(found.mfns.back(), 0x30 + frame_count - 1);
  }
}

void gives_up_the_tree_where_it_repeats() {
  FakeMemory memory{PvWidth::k64};
  // Three lists of 512 frames; the last two are one.
  memory.set_word(0x10, 0, 0x20);
  memory.set_word(0x10, 1, 0x21);
  memory.set_word(0x10, 2, 0x21);
  for (std::size_t index = 0; index < 512; ++index) {
    memory.set_word(0x20, index, 0x1000 + index);
    memory.set_word(0x21, index, 0x2000);
  }
  const P2mFrames found = find_p2m({3 * 512 * 512, 0x10, 0, 0, 0}, walk_over(memory, PvWidth::k64));
  CHECK_EQUAL(found.pfn_count, 2 * 512 * 512);
  CHECK_EQUAL(found.mfns.size(), 2 * 512);
}

void distrusts_frame_lists() {
  const PvWidth width = PvWidth::k64;
  FakeMemory memory{width};
  memory.set_word(0x10, 0, 0x20);
  memory.set_word(0x20, 0, kMfnCount);
  memory.set_word(0x11, 0, kMfnCount - 1);  // Nothing is there.
  memory.set_word(0x12, 1, 0x20);           // Its first entry is 0.
  CHECK(failure_of_walk({100, 0x10, 0, 0, 0}, memory, width) == "GUEST_FRAMES frameList");
  CHECK(failure_of_walk({100, 0x11, 0, 0, 0}, memory, width) == "GUEST_FRAMES frameList");
  CHECK(failure_of_walk({100, 0x12, 0, 0, 0}, memory, width) == "GUEST_FRAMES frameListList");
  for (const Mfn root : {Mfn{0}, kMfnCount, kNoMfn, Mfn{0x999}}) {
    CHECK(failure_of_walk({100, root, 0, 0, 0}, memory, width) == "GUEST_FRAMES frameListList");
  }
  for (const std::uint64_t count :
       {std::uint64_t{0}, std::uint64_t{512 * 512 * 512 + 1}, ~std::uint64_t{0}}) {
    CHECK(failure_of_walk({count, 0x10, 0, 0, 0}, memory, width) == "GUEST_FRAMES maxPfn");
  }
}

// The page tables of `frame_count` frames at an address of the form below, mfns 0x1000 and on.
constexpr std::uint64_t kLinear64 = 0xffff'c900'0000'0000;  // Entry 402 of the root.
constexpr std::uint64_t kLinear32 = 0xe080'0000;            // Entries 3, 260 and 0.

void follows_linear_list_64() {
  FakeMemory memory{PvWidth::k64};
  memory.set_entry(0x10, 402, 0x11067);
  memory.set_entry(0x11, 0, 0x12067);
  memory.set_entry(0x12, 0, 0x13067);
  memory.set_entry(0x12, 1, 0x14067);
  for (std::size_t index = 0; index < 512; ++index) {
    memory.set_entry(0x13, index, (0x1000 + index) << 12 | 0x8000'0000'0000'0063);
  }
  memory.set_entry(0x14, 0, 0x1200'063);
  const P2mLocation location{512 * 512 + 5, 0, 0x10000, kLinear64, 2};
  const P2mFrames found = find_p2m(location, walk_over(memory, PvWidth::k64));
  CHECK_EQUAL(found.pfn_count, 512 * 512 + 5);
  CHECK_EQUAL(found.mfns.size(), 513);
  CHECK_EQUAL(found.mfns[0], 0x1000);
  CHECK_EQUAL(found.mfns[511], 0x11ff);
  CHECK_EQUAL(found.mfns[512], 0x1200);

  memory.set_entry(0x14, 0, kMfnCount << 12 | 1);
  CHECK(failure_of_walk(location, memory, PvWidth::k64) == "GUEST_FRAMES p2mTable");
}

// The list starts at the last entry of a first-level table, so that two of each are needed.
void follows_a_list_that_starts_within_tables() {
  FakeMemory memory{PvWidth::k64};
  const std::uint64_t vaddr = 0xffff'c900'3fff'f000;
  memory.set_entry(0x10, 402, 0x11001);
  memory.set_entry(0x11, 0, 0x12001);
  memory.set_entry(0x11, 1, 0x22001);
  memory.set_entry(0x12, 511, 0x13001);
  memory.set_entry(0x22, 0, 0x23001);
  memory.set_entry(0x13, 511, 0x1000'001);
  memory.set_entry(0x23, 0, 0x1001'001);
  const P2mFrames found = find_p2m({700, 0, 0x10000, vaddr, 0}, walk_over(memory, PvWidth::k64));
  CHECK_EQUAL(found.pfn_count, 700);
  CHECK((found.mfns == std::vector<Mfn>{0x1000, 0x1001}));
}

void follows_linear_list_32() {
  FakeMemory memory{PvWidth::k32};
  memory.set_entry(0x10, 3, 0x11001);
  memory.set_entry(0x11, 260, 0x12001);
  memory.set_entry(0x12, 0, 0x1000'063);
  memory.set_entry(0x12, 1, 0x1001'063);
  const P2mFrames found =
      find_p2m({2048, 0, 0x10000, kLinear32, 0}, walk_over(memory, PvWidth::k32));
  CHECK_EQUAL(found.pfn_count, 2048);
  CHECK((found.mfns == std::vector<Mfn>{0x1000, 0x1001}));
}

void gives_up_the_list_where_it_repeats() {
  FakeMemory memory{PvWidth::k64};
  memory.set_entry(0x10, 402, 0x11001);
  memory.set_entry(0x11, 0, 0x12001);
  for (std::size_t index = 0; index < 4; ++index) {
    memory.set_entry(0x12, index, index < 2 ? (0x13 + index) << 12 | 1 : 0x15001);
  }
  for (std::size_t index = 0; index < 512; ++index) {
    memory.set_entry(0x13, index, (0x1000 + index) << 12 | 1);
    memory.set_entry(0x14, index, (0x1200 + index) << 12 | 1);
    memory.set_entry(0x15, index, 0x2000'001);
  }
  const P2mFrames found =
      find_p2m({4 * 512 * 512, 0, 0x10000, kLinear64, 0}, walk_over(memory, PvWidth::k64));
  CHECK_EQUAL(found.pfn_count, 2 * 512 * 512);
  CHECK_EQUAL(found.mfns.size(), 2 * 512);
  CHECK_EQUAL(found.mfns.back(), 0x13ff);
}

void distrusts_addresses() {
  const FakeMemory memory64{PvWidth::k64};
  for (const std::uint64_t vaddr : {0x0000'8000'0000'0000ull,     // Not canonical.
                                    0x0000'7fff'ffff'f000ull,     // Ends where that starts.
                                    0xffff'8000'0000'0000ull,     // Xen's.
                                    0xffff'87ff'ffff'f000ull,     // Xen's last page.
                                    0xffff'ffff'ffff'f000ull,     // Wraps.
                                    0xffff'c900'0000'0008ull}) {  // Within a page.
    CHECK(failure_of_walk({1024, 0, 0x10000, vaddr, 0}, memory64, PvWidth::k64) ==
          "GUEST_FRAMES p2mVaddr");
  }
  const FakeMemory memory32{PvWidth::k32};
  for (const std::uint64_t vaddr : {0xf57f'f000ull, 0xf580'0000ull, 0xffff'f000ull}) {
    CHECK(failure_of_walk({2048, 0, 0x10000, vaddr, 0}, memory32, PvWidth::k32) ==
          "GUEST_FRAMES p2mVaddr");
  }
  CHECK(failure_of_walk({2048, 0, 0x10000, kLinear32, 0}, memory32, PvWidth::k32) ==
        "GUEST_FRAMES p2mTable");
}

void lists_pfns_of_its_frames() {
  FakeGuest guest{PvWidth::k64, 1024};
  guest.populate(1000, 0x123);
  guest.populate(3, 0x124);
  CHECK((p2m_pfns({1024, {0x123, 0x124}}, guest.frames()) == std::vector<Pfn>{1000, 3}));
  CHECK(failure_of([&] {
          p2m_pfns({1024, {0x123, 0x125}}, guest.frames());
        }) == "GUEST_FRAMES p2mFrame");
}

}  // namespace

void test_p2m() {
  reads_shared_info();
  follows_frame_lists();
  gives_up_the_tree_where_it_repeats();
  distrusts_frame_lists();
  follows_linear_list_64();
  follows_a_list_that_starts_within_tables();
  follows_linear_list_32();
  gives_up_the_list_where_it_repeats();
  distrusts_addresses();
  lists_pfns_of_its_frames();
}

}  // namespace xenferry::test
