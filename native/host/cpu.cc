#include "cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace xenferry::host {

std::optional<std::array<std::uint32_t, 4>> read_cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
#if defined(__x86_64__)
  std::array<std::uint32_t, 4> registers{};
  __cpuid_count(leaf, subleaf, registers[0], registers[1], registers[2], registers[3]);
  return registers;
#else
  static_cast<void>(leaf);
  static_cast<void>(subleaf);
  return std::nullopt;
#endif
}

}  // namespace xenferry::host
