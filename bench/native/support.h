// What the subcommands share: options, memory with content, time and cost of a piece of work.
#pragma once

#include <sys/resource.h>
#include <sys/time.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>

#include "../../native/host/mapping.h"
#include "../../native/unique_fd.h"

namespace xenferry::bench {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::uint64_t kSeed = 1;
inline constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

// Throws std::system_error with errno.
[[noreturn]] void fail(const char* call);

// KEY=VALUE arguments. Reading one that is missing throws std::invalid_argument.
class Options {
 public:
  explicit Options(std::span<char*> arguments);
  const std::string& text(const std::string& key) const;
  std::size_t size(const std::string& key) const;

 private:
  std::map<std::string, std::string> by_key_;
};

// Guest memory: an unlinked file in memory, mapped, sparse until it is written.
struct Memory {
  UniqueFd fd;
  host::Mapping mapping;

  static Memory sparse(std::size_t size_bytes);
  // With what fill_random makes of kSeed.
  static Memory random(std::size_t size_bytes);
  std::span<std::byte> bytes() const { return {mapping.data(), mapping.size()}; }
};

// Fills with content that does not repeat and is the same for the same seed.
void fill_random(std::span<std::byte> bytes, std::uint64_t seed);

// Whether the bytes, whole pages, are what fill_random writes.
bool is_random(std::span<const std::byte> bytes, std::uint64_t seed);

// A sum that depends on the place of each word.
std::uint64_t sum_of(std::span<const std::byte> bytes);

double seconds_of(const timeval& time);

// What a piece of work took.
struct Cost {
  double seconds;
  double user_seconds;
  double system_seconds;
};

// Measures from its making on.
class Stopwatch {
 public:
  Stopwatch();
  Cost cost() const;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_;
  rusage usage_;
};

// Prints the one line of JSON: bytes, cost, and the peak of this process's memory.
void print_report(std::size_t byte_count, const Cost& cost);

}  // namespace xenferry::bench
