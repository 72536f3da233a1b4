// One vCPU: a thread that stores to and reads from its share of the working set.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "ram.h"
#include "workload.h"

namespace xenferry::guest {

// Starts parked; stops only between two operations.
class Vcpu {
 public:
  Vcpu(const Workload& workload, Ram& ram, std::uint64_t number);
  ~Vcpu();

  // Asks the thread to park; await_parked() says when it has.
  void request_park();
  void await_parked();
  void run();
  // Takes so many percent of its time from it, 0 to 99, from now on.
  void throttle(unsigned percent);

  // Only while parked.
  VcpuState& state() { return state_; }
  // At any time; each counter by itself.
  VcpuState counters() const;

 private:
  using Clock = std::chrono::steady_clock;

  void thread_main();
  void wait_for_work(std::unique_lock<std::mutex>& lock);
  void perform_due_operations(Clock::time_point now);
  void perform_one();
  void rest(std::unique_lock<std::mutex>& lock);

  const Workload& workload_;
  Ram& ram_;
  const std::uint64_t number_;
  const double operations_per_second_;
  VcpuState state_;
  double due_operations_ = 0;
  Clock::time_point accrued_until_{};
  Clock::time_point ran_since_{};
  std::atomic<unsigned> throttle_percent_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable parked_;
  std::atomic<bool> must_park_{true};
  bool is_parked_ = false;
  bool must_exit_ = false;
  std::thread thread_;
};

}  // namespace xenferry::guest
