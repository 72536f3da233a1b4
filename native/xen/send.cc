#include "send.h"

#include <algorithm>

#include "pv_failure.h"

namespace xenferry::xen {
namespace {

// Notes a frame that cannot be sent now.
void defer(const SendPlan& plan, std::uint32_t pfn) {
  if (plan.deferred.empty()) throw guest_fault("pageTablePfn", pfn);
  plan.deferred[pfn / 8] |= static_cast<std::uint8_t>(1u << (pfn % 8));
  plan.counters.add(pump::Counters::kPagesDeferred, 1);
}

constexpr std::uint32_t chunk_of(std::uint32_t pfn) { return pfn / pump::kBatchPagesMax; }

}  // namespace

DomainSendPump::DomainSendPump(const Domain& domain, const PvSource* pv,
                               const engine::Operations& operations,
                               std::uint64_t bytes_per_second_max)
    : operations_(operations), throttle_(bytes_per_second_max), window_(domain, pv) {
  page_numbers_.reserve(pump::kBatchPagesMax);
  pages_.reserve(pump::kBatchPagesMax);
}

std::uint64_t DomainSendPump::send(const SendPlan& plan, pump::Outlet& outlet,
                                   const pump::Cancel& cancel) {
  std::uint64_t bytes = 0;
  std::uint64_t next_pfn = 0;
  while (const std::size_t found = scan(plan, next_pfn)) {
    {
      const pump::Timed timed{plan.counters, pump::Counters::kMapNs};
      window_.load(found);
    }
    for (std::size_t entry = 0; entry < window_.size();) {
      if (cancel.is_fired()) throw pump::Failure::cancelled();
      entry = fill_batch(plan, entry);
      if (!batch_.pfns().empty()) bytes += send_batch(plan, outlet, cancel);
    }
    window_.unload();
  }
  return bytes;
}

// Takes the next dirty frames into the window; returns how many.
std::size_t DomainSendPump::scan(const SendPlan& plan, std::uint64_t& next_pfn) {
  const pump::Timed timed{plan.counters, pump::Counters::kScanNs};
  const engine::Words room = window_.room();
  const std::size_t found = operations_.scan_bitmap.run()(plan.dirty, next_pfn, room);
  for (const std::uint32_t pfn : room.first(found)) {
    plan.dirty[pfn / 8] &= static_cast<std::uint8_t>(~(1u << (pfn % 8)));
  }
  if (found > 0) next_pfn = std::uint64_t{room[found - 1]} + 1;
  return found;
}

// Fills the batch with the window's entries from `entry` on; returns where the next one starts.
std::size_t DomainSendPump::fill_batch(const SendPlan& plan, std::size_t entry) {
  std::array<std::uint8_t, pump::kBatchPagesMax> types;
  const std::uint32_t chunk = chunk_of(window_.pfn(entry));
  const engine::Words pfns = batch_.room();
  std::size_t count = 0;
  page_numbers_.clear();
  for (; entry < window_.size() && count < pump::kBatchPagesMax; ++entry) {
    if (plan.keeps_superpages && chunk_of(window_.pfn(entry)) != chunk) break;
    const std::uint8_t type = window_.type(entry);
    if (type == kXtab && !plan.names_holes) continue;
    if (window_.page_of(entry) == FrameWindow::kInMotion) {
      defer(plan, window_.pfn(entry));
      continue;
    }
    if (has_data(type)) page_numbers_.push_back(window_.page_of(entry));
    pfns[count] = window_.pfn(entry);
    types[count++] = type;
  }
  batch_.take(count);
  std::copy_n(types.begin(), count, batch_.types().begin());
  if (plan.elides_zero_pages) find_zero_pages(plan.counters);
  return entry;
}

// Takes the data from the batch's pages of zeros. Page tables keep theirs: their type is wanted.
void DomainSendPump::find_zero_pages(const pump::Counters& counters) {
  const pump::Timed timed{counters, pump::Counters::kZeroNs};
  std::array<std::uint32_t, pump::kBatchPagesMax> numbers;
  std::array<std::uint8_t, pump::kBatchPagesMax> is_zero;
  std::size_t plain = 0;
  std::size_t page = 0;
  for (const std::uint8_t type : batch_.types()) {
    if (type == kNotab) numbers[plain++] = page_numbers_[page];
    page += has_data(type) ? 1 : 0;
  }
  operations_.find_zero_pages.run()(window_.mapped_pages(),
                                    engine::ConstWords(numbers).first(plain), is_zero);
  plain = 0;
  page = 0;
  std::size_t kept = 0;
  for (std::uint8_t& type : batch_.types()) {
    if (!has_data(type)) continue;
    if (type == kNotab && is_zero[plain++] != 0) {
      type = kXalloc;
    } else {
      page_numbers_[kept++] = page_numbers_[page];
    }
    ++page;
  }
  page_numbers_.resize(kept);
}

std::uint64_t DomainSendPump::send_batch(const SendPlan& plan, pump::Outlet& outlet,
                                         const pump::Cancel& cancel) {
  pages_.clear();
  for (const std::uint32_t number : page_numbers_) pages_.push_back(window_.page(number));
  const std::span<iovec> record = batch_.record(pages_, operations_.encode_page_data_head.run());
  {
    const pump::Timed timed{plan.counters, pump::Counters::kWaitNs};
    throttle_.await(pump::bytes_of(record), cancel);
  }
  const std::uint64_t bytes = outlet.send(record, plan.counters);
  plan.counters.add(pump::Counters::kPagesSent, page_numbers_.size());
  plan.counters.add(pump::Counters::kPagesAllocateOnly,
                    batch_.pfns().size() - page_numbers_.size());
  plan.counters.add(pump::Counters::kBytes, bytes);
  return bytes;
}

}  // namespace xenferry::xen
