// What the benchmarks compare xenferry with. bench/README.md says what each stands for.
//
//   baseline SUBCOMMAND KEY=VALUE…
//   baseline rusage OUT PROGRAM ARGUMENT…
#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "subcommands.h"

namespace {

using namespace xenferry::bench;

const std::map<std::string, void (*)(const Options&)> kSubcommands = {
    {"raw-send", raw_send},           {"raw-receive", raw_receive},      {"stock-send", stock_send},
    {"stock-receive", stock_receive}, {"memcpy", copy_memory},           {"read", read_memory},
    {"write-direct", write_direct},   {"random-file", make_random_file}, {"sum", sum_file},
    {"read-direct", read_direct},     {"drop-file", drop_file},
};

int run(std::span<char*> arguments) {
  if (arguments.size() >= 4 && std::string{arguments[1]} == "rusage") {
    return run_counted(arguments[2], arguments.subspan(3));
  }
  const auto found = arguments.size() < 2 ? kSubcommands.end() : kSubcommands.find(arguments[1]);
  if (found == kSubcommands.end()) {
    std::fprintf(stderr, "baseline: no such subcommand\n");
    return 2;
  }
  found->second(Options{arguments.subspan(2)});
  return 0;
}

}  // namespace

int main(int count, char** values) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return run({values, static_cast<std::size_t>(count)});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "baseline: %s\n", error.what());
    return 1;
  }
}
