// What the embedded guest does with its memory: content of pages, choice of pages, commitment to
// versions. Pure functions; the twins are src/guest/workload.ts and asm/guest.ts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace xenferry::guest {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kPageWords = kPageBytes / sizeof(std::uint64_t);

enum class Fill { kZero, kRandom, kText, kHalfZero };
enum class Pattern { kSequential, kUniform, kZipf };

using PageWords = std::span<std::uint64_t, kPageWords>;
using ConstPageWords = std::span<const std::uint64_t, kPageWords>;

struct Workload {
  std::uint64_t seed;
  std::uint64_t page_count;
  std::uint64_t working_set_pages;
  std::uint64_t vcpu_count;
  std::uint64_t stores_per_second;
  double read_share;
  Pattern pattern;
  Fill fill;
};

// State of one vCPU, as it travels in the stream.
struct VcpuState {
  std::uint64_t stores;
  std::uint64_t reads;
  std::uint64_t faults;
  std::uint64_t prng;
  std::uint64_t cursor;
  std::uint64_t versions;
};

struct Operation {
  bool is_read;
  std::uint64_t pfn;
};

// Whether page `pfn` is all zeros at version 0.
bool starts_as_zero(const Workload& workload, std::uint64_t pfn);

// Writes the content of page `pfn` at `version`.
void fill_page(const Workload& workload, std::uint64_t pfn, std::uint64_t version, PageWords out);

// Whether `page` holds the content of `pfn` at the version that it carries itself.
bool is_page_good(const Workload& workload, std::uint64_t pfn, ConstPageWords page);

// Version that a page carries.
inline std::uint64_t version_of(ConstPageWords page) { return page[1]; }

// What page `pfn` at `version` adds to the commitment; 0 at version 0.
std::uint64_t version_term(const Workload& workload, std::uint64_t pfn, std::uint64_t version);

// State of vCPU `vcpu` before its first operation.
VcpuState initial_state(const Workload& workload, std::uint64_t vcpu);

// Pages of the working set that belong to `vcpu`.
std::uint64_t share_pages(const Workload& workload, std::uint64_t vcpu);

// Draws the next operation of a vCPU that has pages.
Operation next_operation(const Workload& workload, std::uint64_t vcpu, VcpuState& state);

}  // namespace xenferry::guest
