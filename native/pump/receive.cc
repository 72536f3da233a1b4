#include "receive.h"

#include <algorithm>
#include <thread>

#include "failure.h"

namespace xenferry::pump {

ReceivePump::ReceivePump(PageSource& source, PageTarget& target,
                         const engine::Operations& operations, std::uint64_t offset,
                         Counters counters)
    : source_(source),
      target_(target),
      counters_(counters),
      walk_(source, target, operations, offset) {}

Received ReceivePump::run(RecordHeader first, std::size_t thread_count) {
  walk_.begin(first);
  std::vector<std::jthread> helpers;
  while (helpers.size() + 1 < thread_count) helpers.emplace_back([this] { work(); });
  work();
  helpers.clear();
  if (failure_ != nullptr) std::rethrow_exception(failure_);
  return walk_.received();
}

void ReceivePump::work() noexcept {
  try {
    Piece piece{source_.piece_pages()};
    while (take_turn(piece)) {
      finish(piece);
      land(piece);
    }
  } catch (...) {
    keep_failure();
  }
}

// Brings the pages of a claimed piece to where they belong.
void ReceivePump::finish(Piece& piece) {
  if (!piece.is_read) {
    const Timed timed{counters_, Counters::kReadNs};
    source_.fetch(piece);
  }
  if (!piece.packed.empty()) {
    const Timed timed{counters_, Counters::kUnpackNs};
    piece.unpack();
  }
  const Timed timed{counters_, Counters::kStoreNs};
  target_.store(piece.pfns(), piece.pages());
}

// Claims a piece when it is this thread's turn; false where nothing is left to claim. A failure is
// kept before the turn ends: what the next thread would meet is only its consequence.
bool ReceivePump::take_turn(Piece& piece) noexcept {
  const std::lock_guard<std::mutex> turn(turn_);
  try {
    {
      const std::lock_guard<std::mutex> state(state_);
      if (failure_ != nullptr) return false;
    }
    if (!claim(piece)) return false;
    await_order(piece);
    return true;
  } catch (...) {
    keep_failure();
    return false;
  }
}

// The next piece of the stream; false where there is none.
bool ReceivePump::claim(Piece& piece) {
  const Timed timed{counters_, Counters::kReadNs};
  const std::uint64_t bytes_before = walk_.received().bytes;
  const bool is_claimed = walk_.take(piece);
  counters_.add(Counters::kBytes, walk_.received().bytes - bytes_before);
  if (is_claimed) counters_.add(Counters::kPagesTaken, piece.count);
  return is_claimed;
}

// Keeps the exception being handled, unless one was kept before.
void ReceivePump::keep_failure() noexcept {
  const std::lock_guard<std::mutex> state(state_);
  if (failure_ == nullptr) failure_ = std::current_exception();
  landed_.notify_all();
}

// Pages are stored in the stream's order where that matters: a piece that names a page which one in
// flight may name too waits until that has landed, and keeps the turn meanwhile.
void ReceivePump::await_order(const Piece& piece) {
  const auto [lowest, highest] = std::ranges::minmax(piece.pfns());
  const auto is_clear = [&] {
    return std::ranges::none_of(in_flight_, [&](const InFlight& other) {
      return other.lowest <= highest && lowest <= other.highest;
    });
  };
  std::unique_lock<std::mutex> state(state_);
  landed_.wait(state, [&] { return is_clear() || failure_ != nullptr; });
  in_flight_.push_back({lowest, highest});
}

// A piece that waits for nothing more: ranges in flight are distinct, so its own is found by its
// lowest frame.
void ReceivePump::land(const Piece& piece) {
  const std::uint32_t lowest = std::ranges::min(piece.pfns());
  const std::lock_guard<std::mutex> state(state_);
  std::erase_if(in_flight_, [&](const InFlight& other) { return other.lowest == lowest; });
  landed_.notify_all();
}

}  // namespace xenferry::pump
