// The whole guest: RAM, vCPUs, run state.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ram.h"
#include "vcpu.h"
#include "workload.h"

namespace xenferry::guest {

enum class RunState { kIncoming, kRunning, kPaused, kSuspended };

struct CheckResult {
  std::uint64_t pages_checked = 0;
  std::uint64_t pages_bad = 0;
  std::vector<std::uint64_t> bad_pfns;
  bool versions_match = false;
  std::uint64_t pause_ns = 0;
};

// Not thread-safe: one control thread uses it.
class Machine {
 public:
  Machine(const Workload& workload, LogDirtyChoice choice);

  const Workload& workload() const { return workload_; }
  const Ram& ram() const { return ram_; }
  RunState run_state() const { return run_state_; }

  // Gives every page its content at version 0.
  void fill();
  // Stops all vCPUs between two operations; returns when they have stopped.
  void stop(RunState run_state);
  void run();
  // Takes so many percent of their time from the vCPUs, 0 to 99.
  void throttle(unsigned percent);
  std::vector<VcpuState> counters() const;
  // Only while stopped.
  std::vector<VcpuState> states();
  void set_states(const std::vector<VcpuState>& states);
  // Verifies every page and the commitment to versions; the vCPUs stand still meanwhile.
  CheckResult check();

 private:
  Workload workload_;
  Ram ram_;
  std::vector<std::unique_ptr<Vcpu>> vcpus_;
  RunState run_state_ = RunState::kIncoming;
};

}  // namespace xenferry::guest
