// Checks of the C++ test programs: a failure says where and what, and the program goes on.
#pragma once

#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>

#include "../../native/pump/failure.h"

namespace xenferry::test {

inline int checks = 0;
inline int failures = 0;

inline void check(bool holds, const char* text, const char* file, int line) {
  ++checks;
  if (holds) return;
  ++failures;
  std::printf("%s:%d: %s\n", file, line, text);
}

inline void check_equal(std::uint64_t is, std::uint64_t should, const char* text, const char* file,
                        int line) {
  check(is == should, text, file, line);
  if (is != should) std::printf("  is 0x%jx, should be 0x%jx\n", is, should);
}

// The code and first fact of the failure that `run` ends with, such as "RECORD_VALUE cr3"; empty
// without one.
inline std::string failure_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const pump::Failure& failure) {
    const bool has_fact = !failure.facts().empty();
    return std::string(failure.code()) + (has_fact ? " " : "") +
           (has_fact ? failure.facts()[0].first : "");
  }
  return "";
}

}  // namespace xenferry::test

#define CHECK(condition) ::xenferry::test::check((condition), #condition, __FILE__, __LINE__)
#define CHECK_EQUAL(is, should) \
  ::xenferry::test::check_equal((is), (should), #is " == " #should, __FILE__, __LINE__)
