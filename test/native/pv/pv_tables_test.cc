#include "../../../native/xen/pv_tables.h"

#include <array>

#include "../check.h"
#include "pv_guest.h"
#include "pv_tests.h"

namespace xenferry::test {

namespace {

using TableWords = std::array<std::uint64_t, kTableEntries>;

FakeGuest small_guest(PvWidth width) {
  FakeGuest guest{width, 8};
  guest.populate(1, 0x100);
  guest.populate(2, 0x2ff);
  guest.populate(5, 0x107);
  return guest;
}

void translates_present_entries() {
  const FakeGuest guest = small_guest(PvWidth::k64);
  const PvFrames frames = guest.frames();
  TableWords table{};
  table[0] = 0x8000'0000'0010'0067;    // mfn 0x100, flags, no-execute.
  table[7] = 0x0000'0000'0010'0066;    // Not present: a guest's own business.
  table[511] = 0x0ff0'0000'002f'f001;  // mfn 0x2ff, bits that software may use.
  TableWords out;
  CHECK(normalise_table(table, out, 1, {frames, kNoMfn}).fault == TableFault::kNone);
  CHECK_EQUAL(out[0], 0x8000'0000'0000'1067);
  CHECK_EQUAL(out[1], 0);
  CHECK_EQUAL(out[7], 0x0000'0000'0010'0066);
  CHECK_EQUAL(out[511], 0x0ff0'0000'0000'2001);
  CHECK(localise_table(out, frames).fault == TableFault::kNone);
  CHECK(out == table);
}

void names_entries_of_others() {
  FakeGuest guest = small_guest(PvWidth::k64);
  guest.m2p[0x200] = 5;  // Xen says pfn 5, the guest says pfn 5 is 0x107.
  guest.m2p[0x201] = 9;  // Beyond the guest's table.
  for (const std::uint64_t mfn : {0x200ull, 0x201ull, 0x300ull, 0x4000ull, 0xffff'ffffull}) {
    TableWords table{};
    table[3] = mfn << 12 | 1;
    TableWords out;
    const TableOutcome outcome = normalise_table(table, out, 1, {guest.frames(), kNoMfn});
    CHECK(outcome.fault == TableFault::kForeignFrame);
    CHECK_EQUAL(outcome.index, 3);
    CHECK_EQUAL(outcome.entry, mfn << 12 | 1);
  }
}

void refuses_superpages_above_the_first_level() {
  const FakeGuest guest = small_guest(PvWidth::k64);
  TableWords table{};
  table[9] = 0x0010'0081;
  TableWords out;
  const TableContext context{guest.frames(), kNoMfn};
  CHECK(normalise_table(table, out, 2, context).fault == TableFault::kSuperpage);
  // The same bit of a first-level entry is the page attribute table's.
  CHECK(normalise_table(table, out, 1, context).fault == TableFault::kNone);
  CHECK_EQUAL(out[9], 0x1081);
}

void leaves_out_what_is_xens_in_long_mode() {
  const FakeGuest guest = small_guest(PvWidth::k64);
  TableWords table{};
  table.fill(0x0010'0067);
  table[256] = 0x0abc'd067;
  table[271] = 0x0000'0040;
  TableWords out;
  const TableContext context{guest.frames(), kNoMfn};
  CHECK(normalise_table(table, out, 4, context).fault == TableFault::kNone);
  for (std::size_t index = 0; index < kTableEntries; ++index) {
    CHECK_EQUAL(out[index], index >= 256 && index < 272 ? 0 : 0x1067);
  }
  CHECK(normalise_table(table, out, 3, context).fault == TableFault::kForeignFrame);
}

void leaves_out_what_is_xens_in_pae() {
  const FakeGuest guest = small_guest(PvWidth::k32);
  const Mfn compat_m2p = 0x3abc;
  const TableContext context{guest.frames(), compat_m2p};
  TableWords table{};
  TableWords out;

  table.fill(0x0010'0001);
  CHECK(normalise_table(table, out, 3, context).fault == TableFault::kNone);
  CHECK_EQUAL(out[3], 0x1001);
  CHECK_EQUAL(out[4], 0);
  CHECK_EQUAL(out[511], 0);

  // 0xf5800000 is entry 428 of the fourth second-level table.
  CHECK(normalise_table(table, out, 2, context).fault == TableFault::kNone);
  CHECK_EQUAL(out[428], 0x1001);
  for (std::size_t index = 428; index < kTableEntries; ++index) {
    table[index] = (compat_m2p + index - 428) << 12 | 1;
  }
  CHECK(normalise_table(table, out, 2, context).fault == TableFault::kNone);
  CHECK_EQUAL(out[427], 0x1001);
  CHECK_EQUAL(out[428], 0);
  CHECK_EQUAL(out[511], 0);

  CHECK(normalise_table(table, out, 4, context).fault == TableFault::kLevel);
}

void finds_frames_to_populate() {
  const FakeGuest guest = small_guest(PvWidth::k64);
  TableWords table{};
  table[0] = 0x1067;  // Has memory.
  table[1] = 0x7067;
  table[2] = 0x3067;
  table[3] = 0x7067;
  table[4] = 0x4066;  // Not present.
  std::vector<Pfn> pfns = {77};
  append_missing_pfns(table, guest.p2m.view(), pfns);
  CHECK((pfns == std::vector<Pfn>{77, 3, 7}));
  CHECK(localise_table(table, guest.frames()).fault == TableFault::kForeignFrame);

  table[5] = 0x8001;
  CHECK(failure_of([&] { append_missing_pfns(table, guest.p2m.view(), pfns); }) ==
        "RECORD_VALUE tableEntry");
}

void knows_levels_of_page_types() {
  constexpr std::array<unsigned, 16> kLevels = {0, 1, 2, 3, 4, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0};
  for (std::uint8_t type = 0; type < 16; ++type) CHECK_EQUAL(table_level(type), kLevels[type]);
}

}  // namespace

void test_tables() {
  translates_present_entries();
  names_entries_of_others();
  refuses_superpages_above_the_first_level();
  leaves_out_what_is_xens_in_long_mode();
  leaves_out_what_is_xens_in_pae();
  finds_frames_to_populate();
  knows_levels_of_page_types();
}

}  // namespace xenferry::test
