// Takes the tables and vCPUs of a real stream to a made-up machine and back, and compares: each
// must come back as it was. Reads what test/native/pv.test.ts writes: items of two 32-bit words,
// kind and octets, and a body. Prints what it did; exit status 1 on a difference.
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

#include "../../native/xen/pv_tables.h"
#include "../../native/xen/pv_vcpu.h"

namespace {

using namespace xenferry;
using namespace xenferry::xen;

enum Kind : std::uint32_t { kWidth = 1, kTypes = 2, kTable = 3, kVcpu = 4 };

constexpr std::uint8_t kBroken = 0xd;
constexpr std::uint8_t kXtab = 0xf;

struct Item {
  std::uint32_t kind;
  std::vector<std::uint8_t> body;
};

std::vector<Item> read_items(const char* name) {
  std::ifstream file{name, std::ios::binary};
  std::vector<Item> items;
  std::array<std::uint32_t, 2> head;
  while (file.read(reinterpret_cast<char*>(head.data()), sizeof head)) {
    Item item{head[0], std::vector<std::uint8_t>(head[1])};
    file.read(reinterpret_cast<char*>(item.body.data()), head[1]);
    items.push_back(std::move(item));
  }
  return items;
}

// A guest on a machine where the frames of neighbours are far apart.
class Machine {
 public:
  Machine(PvWidth width, std::vector<std::uint8_t> types)
      : types_(std::move(types)), m2p_(2 * types_.size() + 1, kNoMfn), p2m_(width) {
    p2m_.grow(types_.size());
    for (Pfn pfn = 0; pfn < types_.size(); ++pfn) {
      if (types_[pfn] == kBroken || types_[pfn] == kXtab) continue;
      const Mfn mfn = pfn % 2 == 0 ? pfn + 1 : 2 * types_.size() - pfn;
      m2p_[mfn] = pfn;
      p2m_.set(pfn, mfn);
    }
  }

  PvFrames frames() const { return {m2p_, p2m_.view()}; }
  const std::vector<std::uint8_t>& types() const { return types_; }

 private:
  std::vector<std::uint8_t> types_;
  std::vector<std::uint64_t> m2p_;
  P2mTable p2m_;
};

struct Counts {
  std::size_t tables = 0;
  std::size_t changed_tables = 0;
  std::size_t vcpus = 0;
  std::size_t differences = 0;
};

void take_table(const Item& item, const Machine& machine, Counts& counts) {
  const std::uint64_t pfn = engine::load_u64(item.body.data());
  std::array<std::uint64_t, kTableEntries> stream;
  std::array<std::uint64_t, kTableEntries> back;
  std::memcpy(stream.data(), item.body.data() + 8, kPageBytes);
  auto local = stream;
  const unsigned level = table_level(machine.types()[pfn]);
  const bool is_local = localise_table(local, machine.frames()).fault == TableFault::kNone;
  const TableContext context{machine.frames(), kNoMfn};
  const bool is_back = normalise_table(local, back, level, context).fault == TableFault::kNone;
  counts.tables += 1;
  counts.changed_tables += local != stream;
  counts.differences += !is_local || !is_back || back != stream;
}

void take_vcpu(const Item& item, const Machine& machine, Counts& counts) {
  const auto vcpu_id = static_cast<std::uint32_t>(engine::load_u64(item.body.data()));
  const std::vector<std::uint8_t> stream(item.body.begin() + 8, item.body.end());
  auto context = stream;
  localise_vcpu(context, vcpu_id, machine.frames(), machine.types());
  const bool has_changed = context != stream;
  normalise_vcpu(context, vcpu_id, machine.frames());
  counts.vcpus += 1;
  counts.differences += !has_changed || context != stream;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  const std::vector<Item> items = read_items(arguments[1]);
  if (items.size() < 2 || items[0].kind != kWidth || items[1].kind != kTypes) return 2;
  const Machine machine{items[0].body[0] == 8 ? PvWidth::k64 : PvWidth::k32, items[1].body};
  Counts counts;
  for (const Item& item : items) {
    if (item.kind == kTable) take_table(item, machine, counts);
    if (item.kind == kVcpu) take_vcpu(item, machine, counts);
  }
  std::printf("tables %zu changed %zu vcpus %zu differences %zu\n", counts.tables,
              counts.changed_tables, counts.vcpus, counts.differences);
  return counts.differences == 0 ? 0 : 1;
}
