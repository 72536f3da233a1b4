#pragma once

#include <cstdint>

#include "../pump/failure.h"

namespace xenferry::xen {

// A PV guest wrote something into its own structures that cannot be used; `fact` names it.
inline pump::Failure guest_fault(const char* fact, std::uint64_t value) {
  return pump::Failure{"GUEST_FRAMES", {{fact, value}}};
}

// The same of a stream that is restored.
inline pump::Failure stream_fault(const char* fact, std::uint64_t value) {
  return pump::Failure{"RECORD_VALUE", {{fact, value}}};
}

}  // namespace xenferry::xen
