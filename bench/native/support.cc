#include "support.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace xenferry::bench {
namespace {

std::span<std::uint64_t> words_of(std::span<std::byte> bytes) {
  return {reinterpret_cast<std::uint64_t*>(bytes.data()), bytes.size() / sizeof(std::uint64_t)};
}

// Words from number `first` on of what does not end.
void fill_words(std::span<std::uint64_t> words, std::uint64_t seed, std::uint64_t first) {
  std::uint64_t state = seed + first * 0x9e3779b97f4a7c15;
  for (std::uint64_t& word : words) {
    state += 0x9e3779b97f4a7c15;
    word = (state ^ (state >> 32)) * 0xbf58476d1ce4e5b9;
  }
}

rusage usage_now() {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) != 0) fail("getrusage");
  return usage;
}

}  // namespace

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void fail(const char* call) { throw std::system_error(errno, std::generic_category(), call); }

Options::Options(std::span<char*> arguments) {
  for (const std::string argument : arguments) {
    const auto equals = argument.find('=');
    if (equals == std::string::npos) throw std::invalid_argument(argument);
    by_key_[argument.substr(0, equals)] = argument.substr(equals + 1);
  }
}

const std::string& Options::text(const std::string& key) const {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) throw std::invalid_argument(key + "= is missing");
  return found->second;
}

std::size_t Options::size(const std::string& key) const { return std::stoull(text(key)); }

Memory Memory::sparse(std::size_t size_bytes) {
  Memory memory;
  memory.fd = UniqueFd{memfd_create("baseline", MFD_CLOEXEC)};
  if (memory.fd.get() < 0) fail("memfd_create");
  if (ftruncate(memory.fd.get(), static_cast<off_t>(size_bytes)) != 0) fail("ftruncate");
  memory.mapping = host::Mapping::shared(memory.fd.get(), size_bytes);
  return memory;
}

Memory Memory::random(std::size_t size_bytes) {
  Memory memory = sparse(size_bytes);
  fill_random(memory.bytes(), kSeed);
  return memory;
}

void fill_random(std::span<std::byte> bytes, std::uint64_t seed) {
  fill_words(words_of(bytes), seed, 0);
}

bool is_random(std::span<const std::byte> bytes, std::uint64_t seed) {
  std::array<std::uint64_t, kPageBytes / sizeof(std::uint64_t)> page;
  for (std::size_t at = 0; at < bytes.size(); at += kPageBytes) {
    fill_words(page, seed, at / sizeof(std::uint64_t));
    if (std::memcmp(page.data(), bytes.data() + at, kPageBytes) != 0) return false;
  }
  return true;
}

std::uint64_t sum_of(std::span<const std::byte> bytes) {
  const auto* words = reinterpret_cast<const std::uint64_t*>(bytes.data());
  std::uint64_t sum = 0;
  for (std::size_t index = 0; index < bytes.size() / sizeof(std::uint64_t); ++index) {
    sum += (words[index] ^ (words[index] >> 29)) * (2 * index + 1);
  }
  return sum;
}

Stopwatch::Stopwatch() : start_(Clock::now()), usage_(usage_now()) {}

Cost Stopwatch::cost() const {
  const rusage now = usage_now();
  return {std::chrono::duration<double>(Clock::now() - start_).count(),
          seconds_of(now.ru_utime) - seconds_of(usage_.ru_utime),
          seconds_of(now.ru_stime) - seconds_of(usage_.ru_stime)};
}

void print_report(std::size_t byte_count, const Cost& cost) {
  std::printf(
      R"({"bytes":%zu,"seconds":%.6f,"userSeconds":%.6f,"systemSeconds":%.6f,"peakRssBytes":%ld})"
      "\n",
      byte_count, cost.seconds, cost.user_seconds, cost.system_seconds,
      usage_now().ru_maxrss * 1024);
}

}  // namespace xenferry::bench
