#include "send.h"

#include <array>
#include <chrono>

#include "failure.h"

namespace xenferry::pump {
namespace {

bool has_bit(engine::ConstBytes bitmap, std::uint32_t pfn) {
  return (bitmap[pfn / 8] >> (pfn % 8) & 1) != 0;
}

}  // namespace

void SendPump::send(const Iteration& iteration, Outlet& outlet, const Cancel& cancel) {
  std::uint64_t first_pfn = 0;
  while (scan(iteration, first_pfn) > 0) {
    if (cancel.is_fired()) throw Failure::cancelled();
    first_pfn = std::uint64_t{batch_.pfns().back()} + 1;
    choose_types(iteration);
    throttle_.await(batch_.head_bytes() + batch_.data_pfns().size() * engine::kPageBytes, cancel);
    send_batch(iteration, outlet);
  }
}

// Takes the next dirty pages from `first_pfn` on into the batch.
std::size_t SendPump::scan(const Iteration& iteration, std::uint64_t first_pfn) {
  const auto start = std::chrono::steady_clock::now();
  const std::size_t count =
      operations_.scan_bitmap.run()(iteration.dirty, first_pfn, batch_.room());
  batch_.take(count);
  for (const std::uint32_t pfn : batch_.pfns()) {
    iteration.dirty[pfn / 8] &= static_cast<std::uint8_t>(~(1u << (pfn % 8)));
  }
  const std::chrono::nanoseconds elapsed = std::chrono::steady_clock::now() - start;
  iteration.counters.add(Counters::kScanNs, static_cast<std::uint64_t>(elapsed.count()));
  return count;
}

void SendPump::choose_types(const Iteration& iteration) {
  const engine::Bytes types = batch_.types();
  if (!iteration.populated.empty()) {
    const engine::ConstWords pfns = batch_.pfns();
    for (std::size_t entry = 0; entry < pfns.size(); ++entry) {
      if (!has_bit(iteration.populated, pfns[entry])) types[entry] = kXalloc;
    }
  }
  batch_.collect_data_pfns();
  if (!iteration.elides_zero_pages || batch_.data_pfns().empty()) return;
  std::array<std::uint32_t, kBatchPagesMax> indexes;
  std::array<std::uint8_t, kBatchPagesMax> is_zero;
  std::size_t tested = 0;
  ram_.for_each_window(batch_.data_pfns(), [&](const Window& window, engine::ConstWords pfns) {
    for (std::size_t entry = 0; entry < pfns.size(); ++entry) {
      indexes[entry] = pfns[entry] - window.first_pfn;
    }
    operations_.find_zero_pages.run()(window.bytes, engine::ConstWords(indexes).first(pfns.size()),
                                      engine::Bytes(is_zero).subspan(tested));
    tested += pfns.size();
  });
  std::size_t next = 0;
  for (std::uint8_t& type : types) {
    if (type == kNotab && is_zero[next++] != 0) type = kXalloc;
  }
  batch_.collect_data_pfns();
}

void SendPump::send_batch(const Iteration& iteration, Outlet& outlet) {
  outlet.write_all(batch_.record(ram_, operations_.encode_page_data_head.run()));
  const std::size_t data_pages = batch_.data_pfns().size();
  const Counters& counters = iteration.counters;
  counters.add(Counters::kPagesSent, data_pages);
  counters.add(Counters::kPagesAllocateOnly, batch_.pfns().size() - data_pages);
  counters.add(Counters::kBytes, batch_.head_bytes() + data_pages * engine::kPageBytes);
}

}  // namespace xenferry::pump
