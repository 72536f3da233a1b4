#include "lane.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <numeric>

#include "failure.h"

namespace xenferry::pump {
namespace {

// Optional digests are made where sending takes at least so many times as long.
constexpr double kDigestShareMin = 8;

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

Lane::Lane(const LaneParts& parts) : parts_(parts) {}

std::uint64_t Lane::run(Iteration& iteration, RecordOutlet& outlet, const Cancel& cancel) {
  const IterationPlan& plan = iteration.plan();
  std::uint64_t bytes = 0;
  while (iteration.claim(batch_, parts_.operations)) {
    if (cancel.is_fired()) throw Failure::cancelled();
    choose_types(plan);
    has_copies_ = false;
    if (digests_pages()) {
      drop_unchanged(plan.counters);
    } else if (parts_.digests != nullptr) {
      forget_digests();
    }
    const std::size_t pages = batch_.pfns().size();
    if (pages == 0) continue;
    const std::uint64_t batch_bytes = send_batch(plan.counters, outlet, cancel);
    const std::size_t data_pages = batch_.data_pfns().size();
    plan.counters.add(Counters::kPagesSent, data_pages);
    plan.counters.add(Counters::kPagesAllocateOnly, pages - data_pages);
    plan.counters.add(Counters::kBytes, batch_bytes);
    bytes += batch_bytes;
  }
  return bytes;
}

void Lane::choose_types(const IterationPlan& plan) {
  if (!plan.populated.empty()) {
    const engine::Bytes types = batch_.types();
    const engine::ConstWords pfns = batch_.pfns();
    for (std::size_t entry = 0; entry < pfns.size(); ++entry) {
      if (!has_bit(plan.populated, pfns[entry])) types[entry] = kXalloc;
    }
  }
  batch_.collect_data_pfns();
  if (plan.elides_zero_pages) name_zero_pages(plan.counters);
}

// Takes the data from pages of zeros.
void Lane::name_zero_pages(const Counters& counters) {
  const Timed timed{counters, Counters::kZeroNs};
  std::array<std::uint32_t, kBatchPagesMax> indexes;
  std::array<std::uint8_t, kBatchPagesMax> is_zero;
  std::size_t tested = 0;
  parts_.ram.for_each_window(
      batch_.data_pfns(), [&](const Window& window, engine::ConstWords pfns) {
        parts_.operations.find_zero_pages.run()(window.bytes, indexes_in(window, pfns, indexes),
                                                engine::Bytes(is_zero).subspan(tested));
        tested += pfns.size();
      });
  std::size_t next = 0;
  for (std::uint8_t& type : batch_.types()) {
    if (type == kNotab && is_zero[next++] != 0) type = kXalloc;
  }
  batch_.collect_data_pfns();
}

// Copies the batch's data pages, one behind the other.
void Lane::gather(const Counters& counters) {
  const Timed timed{counters, Counters::kCopyNs};
  std::array<std::uint32_t, kBatchPagesMax> indexes;
  copies_.resize(kBatchPagesMax * engine::kPageBytes);
  std::size_t copied = 0;
  parts_.ram.for_each_window(batch_.data_pfns(),
                             [&](const Window& window, engine::ConstWords pfns) {
                               parts_.operations.gather_pages.run()(
                                   window.bytes, indexes_in(window, pfns, indexes),
                                   engine::Bytes(copies_).subspan(copied * engine::kPageBytes));
                               copied += pfns.size();
                             });
}

// Optional digests are made until it is known what they cost, then where sending costs far more.
bool Lane::digests_pages() const noexcept {
  if (parts_.digests == nullptr) return false;
  return !parts_.digests->are_optional() || digest_cost_ == 0 ||
         choice_.cost() > digest_cost_ * kDigestShareMin;
}

void Lane::forget_digests() {
  for (const std::uint32_t pfn : batch_.data_pfns()) parts_.digests->forget(pfn);
}

// Takes pages out of the batch that were last sent with the same content; the copies of the others
// are what goes out.
void Lane::drop_unchanged(const Counters& counters) {
  std::array<std::uint32_t, kBatchPagesMax> indexes;
  std::array<std::uint8_t, kBatchPagesMax * engine::kDigestBytes> digests;
  const auto start = std::chrono::steady_clock::now();
  gather(counters);
  const engine::Words copies = engine::Words(indexes).first(batch_.data_pfns().size());
  std::iota(copies.begin(), copies.end(), 0);
  {
    const Timed timed{counters, Counters::kChecksumNs};
    parts_.operations.digest_pages.run()(copies_, copies, parts_.digests->key(), digests);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  if (!copies.empty()) {
    digest_cost_ = elapsed.count() / static_cast<double>(copies.size() * engine::kPageBytes);
  }
  drop(digests, counters);
  has_copies_ = true;
}

// Takes out the pages whose digest, one a data page, is that of what was last sent.
void Lane::drop(engine::ConstBytes digests, const Counters& counters) {
  const Timed timed{counters, Counters::kCopyNs};
  std::array<std::uint8_t, kBatchPagesMax> is_out{};
  const engine::ConstWords data_pfns = batch_.data_pfns();
  std::size_t kept = 0;
  std::size_t entry = 0;
  for (std::size_t copy = 0; copy < data_pfns.size(); ++copy) {
    while (batch_.types()[entry] != kNotab) ++entry;
    const std::uint8_t* const digest = digests.data() + copy * engine::kDigestBytes;
    is_out[entry] = parts_.digests->is_unchanged(data_pfns[copy], digest) ? 1 : 0;
    if (is_out[entry++] == 0) keep_copy(copy, kept++);
  }
  counters.add(Counters::kPagesUnchanged, data_pfns.size() - kept);
  batch_.remove(is_out);
  batch_.collect_data_pfns();
}

void Lane::keep_copy(std::size_t copy, std::size_t as) {
  if (copy == as) return;
  std::copy_n(copies_.begin() + static_cast<std::ptrdiff_t>(copy * engine::kPageBytes),
              engine::kPageBytes,
              copies_.begin() + static_cast<std::ptrdiff_t>(as * engine::kPageBytes));
}

std::uint64_t Lane::send_batch(const Counters& counters, RecordOutlet& outlet,
                               const Cancel& cancel) {
  const CompressionMode mode = parts_.compression.load(std::memory_order_relaxed);
  const auto start = std::chrono::steady_clock::now();
  const std::uint64_t data_bytes = batch_.data_pfns().size() * engine::kPageBytes;
  const bool packs = data_bytes > 0 && mode != CompressionMode::kNever &&
                     (mode == CompressionMode::kAlways || choice_.packs_next());
  const std::span<iovec> record = packs ? packed_record(counters) : plain_record();
  {
    const Timed timed{counters, Counters::kWaitNs};
    parts_.throttle.await(bytes_of(record), cancel);
  }
  const std::uint64_t bytes = outlet.send(record, counters);
  if (data_bytes > 0) choice_.sent(data_bytes, packs, std::chrono::steady_clock::now() - start);
  return bytes;
}

std::span<iovec> Lane::plain_record() {
  const auto encode = parts_.operations.encode_page_data_head.run();
  return has_copies_ ? batch_.record(copies(), encode) : batch_.record(parts_.ram, encode);
}

std::span<iovec> Lane::packed_record(const Counters& counters) {
  if (!has_copies_) gather(counters);
  const Timed timed{counters, Counters::kCompressNs};
  if (packer_ == nullptr) packer_ = std::make_unique<PagePacker>();
  return batch_.packed_record(packer_->pack(copies()),
                              parts_.operations.encode_page_data_head.run());
}

engine::ConstBytes Lane::copies() const {
  return engine::ConstBytes(copies_).first(batch_.data_pfns().size() * engine::kPageBytes);
}

}  // namespace xenferry::pump
