#include <numeric>

#include "../../../native/xen/pv_pins.h"
#include "../../../native/xen/pv_shared.h"
#include "../check.h"
#include "pv_guest.h"
#include "pv_tests.h"

namespace xenferry::test {

namespace {

// Offsets as xen/include/public/arch-x86/xen.h gives them.
struct Offsets {
  std::size_t size, flags, start_info, gdt_frames, gdt_ents, cr1, cr3;
};
constexpr Offsets kOffsets32 = {2800, 512, 524, 2640, 2704, 2720, 2728};
constexpr Offsets kOffsets64 = {5168, 512, 616, 4832, 4960, 4992, 5008};

const Offsets& offsets_of(PvWidth width) { return width == PvWidth::k64 ? kOffsets64 : kOffsets32; }

// pfn 1: start_info, 2 and 3: GDT, 4: root of page tables, 5: the user's.
struct StateGuest : FakeGuest {
  std::vector<std::uint8_t> types = std::vector<std::uint8_t>(16, 0);

  explicit StateGuest(PvWidth width) : FakeGuest(width, 16) {
    for (Pfn pfn = 1; pfn < 6; ++pfn) populate(pfn, 0x1230 + pfn);
    types[4] = width == PvWidth::k64 ? 0xc : 0xb;
    types[5] = 0x4;
  }

  std::vector<std::uint8_t> machine_context() const {
    const Offsets& at = offsets_of(width);
    std::vector<std::uint8_t> context(at.size);
    std::iota(context.begin(), context.end(), std::uint8_t{0});
    const auto set = [&](std::size_t offset, std::uint64_t value) {
      store_word(context, offset, width, value);
    };
    set(at.flags, 0x24);
    set(at.start_info, 0x1231);
    set(at.gdt_frames, 0x1232);
    set(at.gdt_frames + word_bytes(width), 0x1233);
    set(at.gdt_ents, 513);
    set(at.cr3, 0x1234 << 12);
    if (width == PvWidth::k64) set(at.cr1, 0x1235 << 12);
    return context;
  }
};

std::uint64_t word(engine::ConstBytes bytes, std::size_t offset, PvWidth width) {
  return load_word(bytes, offset, width);
}

void translates_vcpus() {
  for (const PvWidth width : {PvWidth::k32, PvWidth::k64}) {
    const StateGuest guest{width};
    const Offsets& at = offsets_of(width);
    const std::vector<std::uint8_t> before = guest.machine_context();
    std::vector<std::uint8_t> context = before;
    normalise_vcpu(context, 0, guest.frames());
    CHECK_EQUAL(word(context, at.start_info, width), 1);
    CHECK_EQUAL(word(context, at.gdt_frames, width), 2);
    CHECK_EQUAL(word(context, at.gdt_frames + word_bytes(width), width), 3);
    CHECK_EQUAL(word(context, at.cr3, width), 0x4000);
    if (width == PvWidth::k64) CHECK_EQUAL(word(context, at.cr1, width), 0x5001);
    localise_vcpu(context, 0, guest.frames(), guest.types);
    CHECK(context == before);
    CHECK_EQUAL(start_info_mfn(context, width), 0x1231);
  }
}

void leaves_other_vcpus_registers() {
  const StateGuest guest{PvWidth::k64};
  std::vector<std::uint8_t> context = guest.machine_context();
  store_word(context, kOffsets64.start_info, guest.width, 0xdead'beef'0000);
  store_word(context, kOffsets64.cr1, guest.width, 0);
  store_word(context, kOffsets64.flags, guest.width, 0);
  normalise_vcpu(context, 1, guest.frames());
  CHECK_EQUAL(word(context, kOffsets64.start_info, guest.width), 0xdead'beef'0000);
  CHECK_EQUAL(word(context, kOffsets64.cr1, guest.width), 0);
  localise_vcpu(context, 1, guest.frames(), guest.types);
  CHECK_EQUAL(word(context, kOffsets64.cr1, guest.width), 0);
  CHECK_EQUAL(word(context, kOffsets64.flags, guest.width), 1 << 5);
}

void distrusts_vcpus_of_guests() {
  const auto failure_with = [](PvWidth width, std::size_t offset, std::uint64_t value) {
    const StateGuest guest{width};
    std::vector<std::uint8_t> context = guest.machine_context();
    store_word(context, offset, width, value);
    return failure_of([&] { normalise_vcpu(context, 0, guest.frames()); });
  };
  CHECK(failure_with(PvWidth::k64, kOffsets64.start_info, 0x1230) == "GUEST_FRAMES startInfo");
  CHECK(failure_with(PvWidth::k64, kOffsets64.gdt_frames, ~0ull) == "GUEST_FRAMES gdtFrame");
  CHECK(failure_with(PvWidth::k64, kOffsets64.gdt_ents, 7169) == "GUEST_FRAMES gdtEntries");
  CHECK(failure_with(PvWidth::k64, kOffsets64.cr3, 0x1230'000) == "GUEST_FRAMES cr3");
  CHECK(failure_with(PvWidth::k64, kOffsets64.cr1, 0x1230'000) == "GUEST_FRAMES cr1");
  CHECK(failure_with(PvWidth::k32, kOffsets32.cr3, 0x1234'001) == "GUEST_FRAMES cr3");
}

void distrusts_vcpus_of_streams() {
  const auto failure_with = [](std::size_t offset, std::uint64_t value) {
    const StateGuest guest{PvWidth::k64};
    std::vector<std::uint8_t> context = guest.machine_context();
    normalise_vcpu(context, 0, guest.frames());
    store_word(context, offset, PvWidth::k64, value);
    return failure_of([&] { localise_vcpu(context, 0, guest.frames(), guest.types); });
  };
  CHECK(failure_with(kOffsets64.start_info, 16) == "RECORD_VALUE startInfo");
  CHECK(failure_with(kOffsets64.start_info, 4) == "RECORD_VALUE startInfo");  // A page table.
  CHECK(failure_with(kOffsets64.start_info, 6) == "RECORD_VALUE startInfo");  // No memory.
  CHECK(failure_with(kOffsets64.gdt_frames, 5) == "RECORD_VALUE gdtFrame");
  CHECK(failure_with(kOffsets64.gdt_ents, ~0ull) == "RECORD_VALUE gdtEntries");
  CHECK(failure_with(kOffsets64.cr3, 0x2000) == "RECORD_VALUE cr3");
  CHECK(failure_with(kOffsets64.cr1, 0x2001) == "RECORD_VALUE cr1");
  const StateGuest guest{PvWidth::k64};
  std::vector<std::uint8_t> short_context(2800);
  CHECK(failure_of([&] { localise_vcpu(short_context, 0, guest.frames(), guest.types); }) ==
        "RECORD_VALUE vcpuBytes");
}

void cleans_shared_info() {
  for (const PvWidth width : {PvWidth::k32, PvWidth::k64}) {
    const bool is_wide = width == PvWidth::k64;
    std::array<std::uint8_t, kPageBytes> stream;
    std::array<std::uint8_t, kPageBytes> guest;
    stream.fill(0x11);
    guest.fill(0x22);
    restore_shared_info(stream, guest, width);
    CHECK_EQUAL(guest[1], 0x11);                          // Mask of the first vCPU.
    CHECK_EQUAL(word(guest, is_wide ? 8 : 4, width), 0);  // What is pending for it.
    CHECK_EQUAL(guest[64 * 31], 0x11);                    // The last vCPU.
    CHECK_EQUAL(word(guest, 64 * 31 + (is_wide ? 8 : 4), width), 0);
    const std::size_t masks = is_wide ? 2560 : 2176;
    for (std::size_t at = 2048; at < masks; ++at) CHECK_EQUAL(guest[at], 0);
    const std::size_t clock = is_wide ? 3072 : 2304;
    for (std::size_t at = masks; at < clock; ++at) CHECK_EQUAL(guest[at], 0xff);
    CHECK_EQUAL(guest[clock], 0x22);  // The receiver's own.
    const std::size_t arch = is_wide ? 3088 : 2316;
    CHECK_EQUAL(guest[arch - 1], 0x22);
    CHECK_EQUAL(guest[arch], 0x11);
    CHECK_EQUAL(word(guest, arch + word_bytes(width), width), 0);
    CHECK_EQUAL(guest[arch + 2 * word_bytes(width)], 0x11);
    CHECK_EQUAL(guest[is_wide ? 3135 : 2343], 0x11);
    CHECK_EQUAL(guest[is_wide ? 3136 : 2344], 0x22);
  }
}

void updates_start_info() {
  for (const PvWidth width : {PvWidth::k32, PvWidth::k64}) {
    const bool is_wide = width == PvWidth::k64;
    const StateGuest guest{width};
    std::array<std::uint8_t, kPageBytes> page;
    page.fill(0x33);
    store_word(page, is_wide ? 56 : 44, width, 2);
    store_word(page, is_wide ? 72 : 52, width, 3);
    const StartInfoFrames rings = localise_start_info(page, {7, 9, 0x2abc}, guest.frames());
    CHECK_EQUAL(rings.store, 0x1232);
    CHECK_EQUAL(rings.console, 0x1233);
    const auto u32 = [&](std::size_t at) { return word(page, at, PvWidth::k32); };
    CHECK_EQUAL(page[31], 0x33);
    CHECK_EQUAL(word(page, 32, width), 16);
    CHECK_EQUAL(word(page, is_wide ? 40 : 36, width), 0x2abc'000);
    CHECK_EQUAL(u32(is_wide ? 48 : 40), 0);
    CHECK_EQUAL(word(page, is_wide ? 56 : 44, width), 0x1232);
    CHECK_EQUAL(u32(is_wide ? 64 : 48), 7);
    CHECK_EQUAL(word(page, is_wide ? 72 : 52, width), 0x1233);
    CHECK_EQUAL(u32(is_wide ? 80 : 56), 9);
    CHECK_EQUAL(page[is_wide ? 84 : 60], 0x33);
  }
  const StateGuest guest{PvWidth::k64};
  std::array<std::uint8_t, kPageBytes> page{};
  store_word(page, 56, PvWidth::k64, 2);
  store_word(page, 72, PvWidth::k64, 0x13d231);  // What a guest leaves that forgot to translate.
  CHECK(failure_of([&] { localise_start_info(page, {}, guest.frames()); }) ==
        "RECORD_VALUE consolePfn");
}

void rotates_cr3_of_32_bit_guests() {
  CHECK_EQUAL(frame_of_cr3(0x1234'5000, PvWidth::k64), 0x12345);
  CHECK_EQUAL(frame_of_cr3(0x1234'5000, PvWidth::k32), 0x12345);
  CHECK_EQUAL(frame_of_cr3(0x1234'5fed, PvWidth::k32), 0xfed'12345);
  CHECK_EQUAL(frame_of_cr3(0x1'0000'0000, PvWidth::k32), kNoMfn);
  CHECK_EQUAL(cr3_of_frame(0xfed'12345, PvWidth::k32), 0x1234'5fed);
  CHECK_EQUAL(cr3_of_frame(0xfed'12345, PvWidth::k64), 0xfed'1234'5000);
}

void looks_frames_up_both_ways() {
  FakeGuest guest{PvWidth::k32, 4};
  CHECK_EQUAL(guest.frames().mfn_of(0), kNoMfn);
  CHECK_EQUAL(guest.frames().mfn_of(4), kNoMfn);
  guest.populate(3, 0x77);
  CHECK_EQUAL(*guest.frames().pfn_of(0x77), 3);
  CHECK(!guest.frames().pfn_of(0x78));
  CHECK(!guest.frames().pfn_of(kNoMfn));
  guest.p2m.grow(6);
  CHECK_EQUAL(guest.frames().pfn_count(), 6);
  CHECK_EQUAL(guest.frames().mfn_of(3), 0x77);
  CHECK_EQUAL(guest.frames().mfn_of(5), kNoMfn);
  CHECK_EQUAL(guest.p2m.bytes().size(), 24);
}

}  // namespace

void test_frames() {
  rotates_cr3_of_32_bit_guests();
  looks_frames_up_both_ways();
}

void test_vcpu() {
  translates_vcpus();
  leaves_other_vcpus_registers();
  distrusts_vcpus_of_guests();
  distrusts_vcpus_of_streams();
}

void test_shared() {
  cleans_shared_info();
  updates_start_info();
}

void test_pins() {
  FakeGuest guest{PvWidth::k64, 3000};
  std::vector<std::uint8_t> types(3000, 0);
  for (Pfn pfn = 100; pfn < 1200; ++pfn) {
    guest.populate(pfn, 0x2000 + pfn);
    types[pfn] = pfn % 2 == 0 ? 0x9 : 0xc;
  }
  types[50] = 0x4;    // A table that is not pinned.
  types[1500] = 0xd;  // BROKEN, which has the same bit.
  std::vector<std::size_t> sizes;
  std::vector<PinOperation> pins;
  const PinBatch keep = [&](std::span<PinOperation> batch) {
    sizes.push_back(batch.size());
    pins.insert(pins.end(), batch.begin(), batch.end());
  };
  pin_tables(types, guest.frames(), keep);
  CHECK((sizes == std::vector<std::size_t>{1024, 76}));
  CHECK_EQUAL(pins[0].command, 0);
  CHECK_EQUAL(pins[0].mfn, 0x2064);
  CHECK_EQUAL(pins[1].command, 3);
  CHECK_EQUAL(pins.back().mfn, 0x24af);
  types[2000] = 0xa;
  CHECK(failure_of([&] { pin_tables(types, guest.frames(), keep); }) == "RECORD_VALUE pinnedPfn");
}

}  // namespace xenferry::test
