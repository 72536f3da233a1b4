// What this machine's CPU says of itself.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace xenferry::host {

// eax, ebx, ecx, edx of a leaf; nothing where there is no CPUID. A leaf above the highest one of
// its range is the caller's mistake: some CPUs then repeat another.
std::optional<std::array<std::uint32_t, 4>> read_cpuid(std::uint32_t leaf, std::uint32_t subleaf);

}  // namespace xenferry::host
