#include "receive.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <thread>
#include <vector>

#include "failure.h"

namespace xenferry::pump {

ReceivePump::ReceivePump(PageSource& source, RamFile ram, const engine::Operations& operations,
                         std::uint64_t offset)
    : source_(source), ram_(ram), walk_(source, ram.pfn_count, operations, offset) {}

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
      source_.fetch(piece);
      {
        const std::lock_guard<std::mutex> storing(storing_);
        store(piece);
      }
      const std::lock_guard<std::mutex> state(state_);
      --in_flight_;
      landed_.notify_all();
    }
  } catch (...) {
    keep_failure();
  }
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
    if (!walk_.take(piece)) return false;
    await_order(piece);
    return true;
  } catch (...) {
    keep_failure();
    return false;
  }
}

// Keeps the exception being handled, unless one was kept before.
void ReceivePump::keep_failure() noexcept {
  const std::lock_guard<std::mutex> state(state_);
  if (failure_ == nullptr) failure_ = std::current_exception();
  landed_.notify_all();
}

// Pages are stored in the stream's order where that matters: a piece that names a page which one in
// flight may name too waits until all of those have landed.
void ReceivePump::await_order(const Piece& piece) {
  const auto [lowest, highest] = std::ranges::minmax(piece.pfns());
  std::unique_lock<std::mutex> state(state_);
  if (lowest < in_flight_end_) {
    landed_.wait(state, [&] { return in_flight_ == 0 || failure_ != nullptr; });
  }
  in_flight_end_ = std::uint64_t{highest} + 1;
  ++in_flight_;
}

// Stores a piece in order of its entries, neighbours together.
void ReceivePump::store(const Piece& piece) {
  const engine::ConstWords pfns = piece.pfns();
  std::size_t first = 0;
  for (std::size_t entry = 1; entry <= pfns.size(); ++entry) {
    if (entry < pfns.size() && pfns[entry] == pfns[entry - 1] + 1) continue;
    std::span<const std::byte> run =
        piece.pages().subspan(first * engine::kPageBytes, (entry - first) * engine::kPageBytes);
    auto at = static_cast<off_t>(std::uint64_t{pfns[first]} * engine::kPageBytes);
    while (!run.empty()) {
      const ssize_t stored = pwrite(ram_.fd, run.data(), run.size(), at);
      if (stored < 0 && errno == EINTR) continue;
      if (stored <= 0)
        throw Failure::of_call("GUEST_HOST_CALL", "pwrite", stored == 0 ? EIO : errno);
      run = run.subspan(static_cast<std::size_t>(stored));
      at += stored;
    }
    first = entry;
  }
}

}  // namespace xenferry::pump
