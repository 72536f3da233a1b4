#include "send.h"

#include <array>
#include <chrono>
#include <numeric>
#include <utility>

#include "failure.h"

namespace xenferry::pump {
namespace {

bool has_bit(engine::ConstBytes bitmap, std::uint32_t pfn) {
  return (bitmap[pfn / 8] >> (pfn % 8) & 1) != 0;
}

// Numbers of `pfns` within their window; in `out`, which has room for all.
engine::ConstWords indexes_in(const Window& window, engine::ConstWords pfns, engine::Words out) {
  for (std::size_t entry = 0; entry < pfns.size(); ++entry) {
    out[entry] = pfns[entry] - window.first_pfn;
  }
  return out.first(pfns.size());
}

}  // namespace

SendPump::SendPump(GuestRam ram, const engine::Operations& operations,
                   std::uint64_t bytes_per_second_max, std::optional<PageDigests> digests)
    : ram_(std::move(ram)),
      operations_(operations),
      throttle_(bytes_per_second_max),
      digests_(std::move(digests)) {
  if (digests_.has_value()) copies_.resize(kBatchPagesMax * engine::kPageBytes);
}

void SendPump::send(const Iteration& iteration, Outlet& outlet, const Cancel& cancel) {
  std::uint64_t first_pfn = 0;
  while (scan(iteration, first_pfn) > 0) {
    if (cancel.is_fired()) throw Failure::cancelled();
    first_pfn = std::uint64_t{batch_.pfns().back()} + 1;
    choose_types(iteration);
    if (digests_.has_value()) drop_unchanged(iteration);
    if (batch_.pfns().empty()) continue;
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
  if (!iteration.populated.empty()) {
    const engine::Bytes types = batch_.types();
    const engine::ConstWords pfns = batch_.pfns();
    for (std::size_t entry = 0; entry < pfns.size(); ++entry) {
      if (!has_bit(iteration.populated, pfns[entry])) types[entry] = kXalloc;
    }
  }
  batch_.collect_data_pfns();
  if (iteration.elides_zero_pages) name_zero_pages();
}

// Takes the data from pages of zeros.
void SendPump::name_zero_pages() {
  std::array<std::uint32_t, kBatchPagesMax> indexes;
  std::array<std::uint8_t, kBatchPagesMax> is_zero;
  std::size_t tested = 0;
  ram_.for_each_window(batch_.data_pfns(), [&](const Window& window, engine::ConstWords pfns) {
    operations_.find_zero_pages.run()(window.bytes, indexes_in(window, pfns, indexes),
                                      engine::Bytes(is_zero).subspan(tested));
    tested += pfns.size();
  });
  std::size_t next = 0;
  for (std::uint8_t& type : batch_.types()) {
    if (type == kNotab && is_zero[next++] != 0) type = kXalloc;
  }
  batch_.collect_data_pfns();
}

// Copies the batch's data pages.
void SendPump::gather() {
  std::array<std::uint32_t, kBatchPagesMax> indexes;
  std::size_t copied = 0;
  ram_.for_each_window(batch_.data_pfns(), [&](const Window& window, engine::ConstWords pfns) {
    operations_.gather_pages.run()(window.bytes, indexes_in(window, pfns, indexes),
                                   engine::Bytes(copies_).subspan(copied * engine::kPageBytes));
    copied += pfns.size();
  });
}

// Takes pages out of the batch that were last sent with the same content.
void SendPump::drop_unchanged(const Iteration& iteration) {
  std::array<std::uint32_t, kBatchPagesMax> indexes;
  std::array<std::uint8_t, kBatchPagesMax * engine::kDigestBytes> digests;
  std::array<std::uint8_t, kBatchPagesMax> is_out{};
  gather();
  const engine::ConstWords data_pfns = batch_.data_pfns();
  const engine::Words copies = engine::Words(indexes).first(data_pfns.size());
  std::iota(copies.begin(), copies.end(), 0);
  operations_.digest_pages.run()(copies_, copies, digests_->key(), digests);
  kept_copies_.clear();
  std::size_t entry = 0;
  for (const std::uint32_t copy : copies) {
    while (batch_.types()[entry] != kNotab) ++entry;
    if (digests_->is_unchanged(data_pfns[copy], digests.data() + copy * engine::kDigestBytes)) {
      is_out[entry] = 1;
    } else {
      kept_copies_.push_back(copy);
    }
    ++entry;
  }
  iteration.counters.add(Counters::kPagesUnchanged, copies.size() - kept_copies_.size());
  batch_.remove(is_out);
  batch_.collect_data_pfns();
}

std::span<iovec> SendPump::record() {
  const auto encode = operations_.encode_page_data_head.run();
  return digests_.has_value() ? batch_.record(copies_, kept_copies_, encode)
                              : batch_.record(ram_, encode);
}

void SendPump::send_batch(const Iteration& iteration, Outlet& outlet) {
  outlet.write_all(record());
  const std::size_t data_pages = batch_.data_pfns().size();
  const Counters& counters = iteration.counters;
  counters.add(Counters::kPagesSent, data_pages);
  counters.add(Counters::kPagesAllocateOnly, batch_.pfns().size() - data_pages);
  counters.add(Counters::kBytes, batch_.head_bytes() + data_pages * engine::kPageBytes);
}

}  // namespace xenferry::pump
