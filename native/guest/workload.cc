#include "workload.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace xenferry::guest {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
constexpr std::uint64_t kMultiplier1 = 0xbf58476d1ce4e5b9;
constexpr std::uint64_t kMultiplier2 = 0x94d049bb133111eb;
constexpr std::size_t kHeadWords = 3;
// Pages of a half-zero fill are random, then zero, so many at a time.
constexpr std::uint64_t kZeroRunPages = 16;

constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * kMultiplier1;
  x = (x ^ (x >> 27)) * kMultiplier2;
  return x ^ (x >> 31);
}

std::uint64_t key_of(const Workload& workload, std::uint64_t pfn, std::uint64_t version) {
  return mix(workload.seed ^ mix(pfn * kGolden + version));
}

constexpr std::uint64_t random_word(std::uint64_t key, std::uint64_t index) {
  std::uint64_t word = key + index * kGolden;
  word = (word ^ (word >> 32)) * kMultiplier1;
  return word ^ (word >> 29);
}

constexpr std::uint64_t packed(const char (&text)[9]) {
  std::uint64_t word = 0;
  for (int byte = 7; byte >= 0; --byte) {
    word = word << 8 | static_cast<unsigned char>(text[byte]);
  }
  return word;
}

constexpr std::array<std::uint64_t, 16> kText = {
    packed("migrate "),  packed("the page"), packed(" and the"), packed(" memory "),
    packed("of guest"),  packed(" running"), packed(" on host"), packed("s while "),
    packed("iterate "),  packed("dirty, a"), packed("nd then "), packed("suspend."),
    packed("\nResume "), packed("nothing "), packed("was lost"), packed(" in time"),
};

constexpr std::uint64_t text_word(std::uint64_t key, std::uint64_t index) {
  return kText[random_word(key, index) >> 60];
}

template <std::uint64_t (*Word)(std::uint64_t, std::uint64_t)>
void fill_with(std::uint64_t pfn, std::uint64_t version, std::uint64_t key, PageWords out) {
  std::uint64_t sum = key;
  for (std::size_t index = kHeadWords; index < kPageWords; ++index) {
    out[index] = Word(key, index);
    sum += out[index];
  }
  out[0] = pfn;
  out[1] = version;
  out[2] = mix(sum);
}

std::uint64_t next_random(VcpuState& state) {
  state.prng += kGolden;
  return mix(state.prng);
}

std::uint64_t first_pfn(const Workload& workload) {
  return (workload.page_count - workload.working_set_pages) / 2;
}

std::uint64_t zipf_index(std::uint64_t random, std::uint64_t page_count) {
  const double uniform = static_cast<double>(random >> 11) * 0x1p-53;
  const double rank = std::exp(uniform * std::log(static_cast<double>(page_count) + 1.0));
  const auto index = static_cast<std::uint64_t>(rank) - 1;
  return std::min(page_count - 1, index);
}

std::uint64_t draw_index(const Workload& workload, std::uint64_t page_count, VcpuState& state) {
  switch (workload.pattern) {
    case Pattern::kSequential: {
      const std::uint64_t index = state.cursor;
      state.cursor = (state.cursor + 1) % page_count;
      return index;
    }
    case Pattern::kUniform:
      return static_cast<std::uint64_t>(
          static_cast<unsigned __int128>(next_random(state)) * page_count >> 64);
    case Pattern::kZipf:
      return zipf_index(next_random(state), page_count);
  }
  return 0;
}

}  // namespace

bool starts_as_zero(const Workload& workload, std::uint64_t pfn) {
  return workload.fill == Fill::kZero ||
         (workload.fill == Fill::kHalfZero && pfn / kZeroRunPages % 2 == 1);
}

void fill_page(const Workload& workload, std::uint64_t pfn, std::uint64_t version, PageWords out) {
  const std::uint64_t key = key_of(workload, pfn, version);
  if (version == 0 && starts_as_zero(workload, pfn)) {
    std::memset(out.data(), 0, kPageBytes);
  } else if (version == 0 && workload.fill == Fill::kText) {
    fill_with<text_word>(pfn, version, key, out);
  } else {
    fill_with<random_word>(pfn, version, key, out);
  }
}

bool is_page_good(const Workload& workload, std::uint64_t pfn, ConstPageWords page) {
  std::array<std::uint64_t, kPageWords> expected;
  fill_page(workload, pfn, version_of(page), expected);
  return std::memcmp(expected.data(), page.data(), kPageBytes) == 0;
}

std::uint64_t version_term(const Workload& workload, std::uint64_t pfn, std::uint64_t version) {
  return version == 0 ? 0 : mix(key_of(workload, pfn, version) ^ kMultiplier2);
}

VcpuState initial_state(const Workload& workload, std::uint64_t vcpu) {
  return {.stores = 0,
          .reads = 0,
          .faults = 0,
          .prng = mix(workload.seed + (vcpu + 1) * kGolden),
          .cursor = 0,
          .versions = 0};
}

std::uint64_t share_pages(const Workload& workload, std::uint64_t vcpu) {
  if (vcpu >= workload.working_set_pages) return 0;
  return (workload.working_set_pages - vcpu - 1) / workload.vcpu_count + 1;
}

Operation next_operation(const Workload& workload, std::uint64_t vcpu, VcpuState& state) {
  const auto threshold = static_cast<std::uint64_t>(std::llround(workload.read_share * 65536));
  const bool is_read = (next_random(state) & 0xffff) < threshold;
  const std::uint64_t index = draw_index(workload, share_pages(workload, vcpu), state);
  return {is_read, first_pfn(workload) + index * workload.vcpu_count + vcpu};
}

}  // namespace xenferry::guest
