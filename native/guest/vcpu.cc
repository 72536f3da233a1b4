#include "vcpu.h"

#include <algorithm>

namespace xenferry::guest {
namespace {

using std::chrono::duration;
using std::chrono::milliseconds;

constexpr auto kTick = milliseconds{1};
// What a throttled vCPU runs at a time at most, however long it waited for a processor.
constexpr duration<double> kSlice = milliseconds{2};
// Work that a stalled vCPU may catch up with.
constexpr double kBacklogSeconds = 0.1;

// Operations a second of a vCPU, so that all together make the stores asked for.
double operations_per_second(const Workload& workload, std::uint64_t vcpu) {
  if (share_pages(workload, vcpu) == 0) return 0;
  const std::uint64_t busy_vcpus = std::min(workload.vcpu_count, workload.working_set_pages);
  const double stores = static_cast<double>(workload.stores_per_second);
  return stores / static_cast<double>(busy_vcpus) / (1.0 - workload.read_share);
}

// Counters are written by the vCPU's thread alone and read by others at any time.
void bump(std::uint64_t& counter) {
  std::atomic_ref<std::uint64_t> atomic{counter};
  atomic.store(counter + 1, std::memory_order_relaxed);
}

std::uint64_t peek(const std::uint64_t& counter) {
  std::atomic_ref<std::uint64_t> atomic{const_cast<std::uint64_t&>(counter)};
  return atomic.load(std::memory_order_relaxed);
}

}  // namespace

Vcpu::Vcpu(const Workload& workload, Ram& ram, std::uint64_t number)
    : workload_(workload),
      ram_(ram),
      number_(number),
      operations_per_second_(operations_per_second(workload, number)),
      state_(initial_state(workload, number)),
      thread_([this] { thread_main(); }) {}

Vcpu::~Vcpu() {
  {
    const std::lock_guard lock{mutex_};
    must_exit_ = true;
    must_park_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Vcpu::request_park() {
  {
    const std::lock_guard lock{mutex_};
    must_park_ = true;
  }
  wake_.notify_all();
}

void Vcpu::await_parked() {
  std::unique_lock lock{mutex_};
  parked_.wait(lock, [this] { return is_parked_; });
}

void Vcpu::run() {
  {
    const std::lock_guard lock{mutex_};
    must_park_ = false;
    due_operations_ = 0;
    accrued_until_ = Clock::now();
    ran_since_ = accrued_until_;
  }
  wake_.notify_all();
}

void Vcpu::throttle(unsigned percent) {
  {
    const std::lock_guard lock{mutex_};
    throttle_percent_ = percent;
  }
  wake_.notify_all();
}

VcpuState Vcpu::counters() const {
  VcpuState counters{};
  counters.stores = peek(state_.stores);
  counters.reads = peek(state_.reads);
  counters.faults = peek(state_.faults);
  return counters;
}

void Vcpu::thread_main() {
  std::unique_lock lock{mutex_};
  while (!must_exit_) {
    if (must_park_) {
      is_parked_ = true;
      parked_.notify_all();
      wake_.wait(lock, [this] { return !must_park_ || must_exit_; });
      is_parked_ = false;
      continue;
    }
    lock.unlock();
    perform_due_operations(Clock::now());
    lock.lock();
    wait_for_work(lock);
    rest(lock);
  }
}

// Sleeps for so long that what it ran is its share of the time; nothing comes due meanwhile.
void Vcpu::rest(std::unique_lock<std::mutex>& lock) {
  const unsigned percent = throttle_percent_;
  const auto now = Clock::now();
  if (percent > 0) {
    const duration<double> ran = std::min<duration<double>>(now - ran_since_, 2 * kSlice);
    wake_.wait_for(lock, ran * percent / (100 - percent),
                   [this, percent] { return must_park_ || throttle_percent_ != percent; });
    accrued_until_ += Clock::now() - now;
  }
  ran_since_ = Clock::now();
}

// An idle vCPU waits to be parked; a busy one for the next tick at most.
void Vcpu::wait_for_work(std::unique_lock<std::mutex>& lock) {
  const auto is_asked = [this] { return must_park_.load(); };
  if (operations_per_second_ == 0) {
    wake_.wait(lock, is_asked);
  } else if (due_operations_ < 1) {
    wake_.wait_for(lock, kTick, is_asked);
  }
}

void Vcpu::perform_due_operations(Clock::time_point now) {
  const bool is_throttled = throttle_percent_ > 0;
  const double waited = duration<double>(now - accrued_until_).count();
  const double elapsed = is_throttled ? std::min(waited, kSlice.count()) : waited;
  accrued_until_ = now;
  due_operations_ = std::min(due_operations_ + elapsed * operations_per_second_,
                             operations_per_second_ * kBacklogSeconds + 1);
  while (due_operations_ >= 1 && !must_park_.load(std::memory_order_relaxed)) {
    if (is_throttled && Clock::now() - now > kSlice) break;
    perform_one();
    due_operations_ -= 1;
  }
}

void Vcpu::perform_one() {
  const Operation operation = next_operation(workload_, number_, state_);
  const PageWords page = ram_.page(operation.pfn);
  if (operation.is_read) {
    if (!is_page_good(workload_, operation.pfn, page)) bump(state_.faults);
    bump(state_.reads);
    return;
  }
  const std::uint64_t version = version_of(page);
  fill_page(workload_, operation.pfn, version + 1, page);
  ram_.mark_dirty(operation.pfn);
  state_.versions += version_term(workload_, operation.pfn, version + 1) -
                     version_term(workload_, operation.pfn, version);
  bump(state_.stores);
}

}  // namespace xenferry::guest
