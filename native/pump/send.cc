#include "send.h"

#include <utility>

namespace xenferry::pump {

SendPump::SendPump(GuestRam ram, const engine::Operations& operations,
                   std::uint64_t bytes_per_second_max, std::optional<PageDigests> digests)
    : ram_(std::move(ram)),
      operations_(operations),
      throttle_(bytes_per_second_max),
      digests_(std::move(digests)) {}

std::uint64_t SendPump::send(Iteration& iteration, RecordOutlet& outlet, const Cancel& cancel) {
  std::unique_ptr<Lane> lane = borrow_lane();
  const std::uint64_t bytes = lane->run(iteration, outlet, cancel);
  give_back(std::move(lane));
  return bytes;
}

std::unique_ptr<Lane> SendPump::borrow_lane() {
  const std::lock_guard<std::mutex> lending(lending_);
  if (idle_.empty()) {
    return std::make_unique<Lane>(LaneParts{ram_, operations_, throttle_,
                                            digests_.has_value() ? &*digests_ : nullptr, mode_});
  }
  std::unique_ptr<Lane> lane = std::move(idle_.back());
  idle_.pop_back();
  return lane;
}

void SendPump::give_back(std::unique_ptr<Lane> lane) {
  const std::lock_guard<std::mutex> lending(lending_);
  idle_.push_back(std::move(lane));
}

}  // namespace xenferry::pump
