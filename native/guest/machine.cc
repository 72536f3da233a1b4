#include "machine.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace xenferry::guest {
namespace {

using Extent = std::pair<std::size_t, std::size_t>;

constexpr std::size_t kBadPfnsMax = 16;

struct PartialCheck {
  std::uint64_t pages_bad = 0;
  std::vector<std::uint64_t> bad_pfns;
  std::uint64_t versions = 0;
};

// Splits extents so that `part_count` threads have about the same number of pages each.
std::vector<std::vector<Extent>> split(const std::vector<Extent>& extents, std::size_t part_count) {
  std::size_t total = 0;
  for (const auto& [first, end] : extents) total += end - first;
  const std::size_t part_pages = total / part_count + 1;
  std::vector<std::vector<Extent>> parts(1);
  std::size_t room = part_pages;
  for (auto [first, end] : extents) {
    while (first < end) {
      if (room == 0) {
        parts.emplace_back();
        room = part_pages;
      }
      const std::size_t taken = std::min(end - first, room);
      parts.back().emplace_back(first, first + taken);
      first += taken;
      room -= taken;
    }
  }
  return parts;
}

template <typename Work>
void in_parallel(const std::vector<std::vector<Extent>>& parts, Work work) {
  std::vector<std::jthread> threads;
  for (std::size_t part = 0; part < parts.size(); ++part) {
    threads.emplace_back([&parts, part, &work] { work(part, parts[part]); });
  }
}

std::size_t thread_count() { return std::max(1U, std::thread::hardware_concurrency()); }

PartialCheck check_extents(const Workload& workload, const Ram& ram,
                           const std::vector<Extent>& extents) {
  PartialCheck result;
  for (const auto& [first, end] : extents) {
    for (std::size_t pfn = first; pfn < end; ++pfn) {
      const PageWords page = ram.page(pfn);
      result.versions += version_term(workload, pfn, version_of(page));
      if (is_page_good(workload, pfn, page)) continue;
      ++result.pages_bad;
      if (result.bad_pfns.size() < kBadPfnsMax) result.bad_pfns.push_back(pfn);
    }
  }
  return result;
}

// Pages that have no memory are zero: good only where the fill says so.
PartialCheck check_holes(const Workload& workload, std::size_t page_count,
                         const std::vector<Extent>& extents) {
  PartialCheck result;
  if (workload.fill == Fill::kZero) return result;
  std::size_t at = 0;
  const auto add = [&](std::size_t first, std::size_t end) {
    for (std::size_t pfn = first; pfn < end; ++pfn) {
      if (starts_as_zero(workload, pfn)) continue;
      ++result.pages_bad;
      if (result.bad_pfns.size() < kBadPfnsMax) result.bad_pfns.push_back(pfn);
    }
  };
  for (const auto& [first, end] : extents) {
    add(at, first);
    at = end;
  }
  add(at, page_count);
  return result;
}

}  // namespace

Machine::Machine(const Workload& workload, LogDirtyChoice choice)
    : workload_(workload), ram_(workload.page_count, choice) {
  for (std::uint64_t number = 0; number < workload_.vcpu_count; ++number) {
    vcpus_.push_back(std::make_unique<Vcpu>(workload_, ram_, number));
  }
}

void Machine::fill() {
  if (workload_.fill == Fill::kZero) return;
  const std::vector<Extent> all = {{0, ram_.page_count()}};
  in_parallel(split(all, thread_count()), [this](std::size_t, const std::vector<Extent>& part) {
    for (const auto& [first, end] : part) {
      for (std::size_t pfn = first; pfn < end; ++pfn) {
        fill_page(workload_, pfn, 0, ram_.page(pfn));
      }
    }
  });
}

void Machine::stop(RunState run_state) {
  for (const auto& vcpu : vcpus_) vcpu->request_park();
  for (const auto& vcpu : vcpus_) vcpu->await_parked();
  run_state_ = run_state;
}

void Machine::run() {
  for (const auto& vcpu : vcpus_) vcpu->run();
  run_state_ = RunState::kRunning;
}

void Machine::throttle(unsigned percent) {
  for (const auto& vcpu : vcpus_) vcpu->throttle(percent);
}

std::vector<VcpuState> Machine::counters() const {
  std::vector<VcpuState> counters;
  for (const auto& vcpu : vcpus_) counters.push_back(vcpu->counters());
  return counters;
}

std::vector<VcpuState> Machine::states() {
  std::vector<VcpuState> states;
  for (const auto& vcpu : vcpus_) states.push_back(vcpu->state());
  return states;
}

void Machine::set_states(const std::vector<VcpuState>& states) {
  for (std::size_t number = 0; number < vcpus_.size(); ++number) {
    vcpus_[number]->state() = states[number];
  }
}

CheckResult Machine::check() {
  const auto start = std::chrono::steady_clock::now();
  const RunState before = run_state_;
  stop(before);
  const std::vector<Extent> extents = ram_.populated_extents();
  const auto parts = split(extents, thread_count());
  std::vector<PartialCheck> partials(parts.size() + 1);
  in_parallel(parts, [this, &partials](std::size_t number, const std::vector<Extent>& part) {
    partials[number] = check_extents(workload_, ram_, part);
  });
  partials.back() = check_holes(workload_, ram_.page_count(), extents);
  CheckResult result;
  result.pages_checked = ram_.page_count();
  std::uint64_t versions = 0;
  for (const PartialCheck& partial : partials) {
    result.pages_bad += partial.pages_bad;
    versions += partial.versions;
    result.bad_pfns.insert(result.bad_pfns.end(), partial.bad_pfns.begin(), partial.bad_pfns.end());
  }
  std::sort(result.bad_pfns.begin(), result.bad_pfns.end());
  if (result.bad_pfns.size() > kBadPfnsMax) result.bad_pfns.resize(kBadPfnsMax);
  std::uint64_t committed = 0;
  for (const VcpuState& state : states()) committed += state.versions;
  result.versions_match = versions == committed;
  if (before == RunState::kRunning) run();
  const auto pause = std::chrono::steady_clock::now() - start;
  result.pause_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(pause).count();
  return result;
}

}  // namespace xenferry::guest
