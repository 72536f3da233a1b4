// What this machine does with memory and files without any transport.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>

#include "subcommands.h"

namespace xenferry::bench {
namespace {

UniqueFd open_file(const std::string& path, int flags) {
  UniqueFd fd{open(path.c_str(), flags | O_CLOEXEC, 0600)};
  if (fd.get() < 0) fail("open");
  return fd;
}

}  // namespace

void copy_memory(const Options& options) {
  const Memory from = Memory::random(options.size("bytes"));
  const Memory to = Memory::random(options.size("bytes"));
  const Stopwatch stopwatch;
  std::memcpy(to.bytes().data(), from.bytes().data(), from.bytes().size());
  print_report(from.bytes().size(), stopwatch.cost());
}

void read_memory(const Options& options) {
  const Memory memory = Memory::random(options.size("bytes"));
  const Stopwatch stopwatch;
  const auto* words = reinterpret_cast<const std::uint64_t*>(memory.bytes().data());
  const std::size_t word_count = memory.bytes().size() / sizeof(std::uint64_t);
  const volatile std::uint64_t sum = std::accumulate(words, words + word_count, std::uint64_t{0});
  static_cast<void>(sum);
  print_report(memory.bytes().size(), stopwatch.cost());
}

void write_direct(const Options& options) {
  const std::size_t size_bytes = options.size("bytes");
  const std::unique_ptr<void, decltype(&std::free)> buffer{
      std::aligned_alloc(kPageBytes, kPieceBytes), &std::free};
  fill_random({static_cast<std::byte*>(buffer.get()), kPieceBytes}, kSeed);
  const UniqueFd fd = open_file(options.text("path"), O_CREAT | O_TRUNC | O_WRONLY | O_DIRECT);
  const Stopwatch stopwatch;
  for (std::size_t at = 0; at < size_bytes; at += kPieceBytes) {
    const ssize_t count = pwrite(fd.get(), buffer.get(), kPieceBytes, static_cast<off_t>(at));
    if (count != static_cast<ssize_t>(kPieceBytes)) fail("pwrite");
  }
  if (fdatasync(fd.get()) != 0) fail("fdatasync");
  print_report(size_bytes, stopwatch.cost());
}

void read_direct(const Options& options) {
  const std::unique_ptr<void, decltype(&std::free)> buffer{
      std::aligned_alloc(kPageBytes, kPieceBytes), &std::free};
  const UniqueFd fd = open_file(options.text("path"), O_RDONLY | O_DIRECT);
  const Stopwatch stopwatch;
  std::size_t size_bytes = 0;
  for (;;) {
    const ssize_t count =
        pread(fd.get(), buffer.get(), kPieceBytes, static_cast<off_t>(size_bytes));
    if (count < 0) fail("pread");
    size_bytes += static_cast<std::size_t>(count);
    if (count < static_cast<ssize_t>(kPieceBytes)) break;
  }
  print_report(size_bytes, stopwatch.cost());
}

void drop_file(const Options& options) {
  const UniqueFd fd = open_file(options.text("path"), O_RDONLY);
  const Stopwatch stopwatch;
  if (fsync(fd.get()) != 0) fail("fsync");
  if (posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED) != 0) fail("posix_fadvise");
  print_report(0, stopwatch.cost());
}

void make_random_file(const Options& options) {
  const std::size_t size_bytes = options.size("bytes");
  const UniqueFd fd = open_file(options.text("path"), O_CREAT | O_TRUNC | O_RDWR);
  if (ftruncate(fd.get(), static_cast<off_t>(size_bytes)) != 0) fail("ftruncate");
  const Stopwatch stopwatch;
  const host::Mapping mapping = host::Mapping::shared(fd.get(), size_bytes);
  fill_random({mapping.data(), mapping.size()}, options.size("seed"));
  print_report(size_bytes, stopwatch.cost());
}

void sum_file(const Options& options) {
  const UniqueFd fd = open_file(options.text("path"), O_RDONLY);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) fail("fstat");
  const auto size_bytes = static_cast<std::size_t>(status.st_size);
  const host::Mapping mapping = host::Mapping::read_only(fd.get(), 0, size_bytes);
  const std::uint64_t sum = sum_of({mapping.data(), mapping.size()});
  std::printf("{\"bytes\":%zu,\"sum\":\"%016lx\"}\n", size_bytes, sum);
}

}  // namespace xenferry::bench
