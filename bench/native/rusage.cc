// Counts what another program uses: CPU time, peak of its memory, and of that which is its own.
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

#include "subcommands.h"

namespace xenferry::bench {
namespace {

constexpr int kSampleMs = 20;

volatile pid_t child_to_signal = 0;

void pass_on(int signal_number) { kill(child_to_signal, signal_number); }

// Memory that the process shares with nobody; 0 when it has ended.
std::size_t anonymous_bytes(pid_t pid) {
  std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
  const std::string key = "RssAnon:";
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) return std::stoull(line.substr(key.size())) * 1024;
  }
  return 0;
}

// Waits for the end of `pid`; returns the largest sample of its own memory.
std::size_t watch(pid_t pid) {
  const UniqueFd process{static_cast<int>(syscall(SYS_pidfd_open, pid, 0))};
  if (process.get() < 0) fail("pidfd_open");
  std::size_t peak = 0;
  pollfd ended{process.get(), POLLIN, 0};
  while (poll(&ended, 1, kSampleMs) <= 0) peak = std::max(peak, anonymous_bytes(pid));
  return peak;
}

}  // namespace

int run_counted(const char* out, std::span<char*> command) {
  std::vector<char*> arguments(command.begin(), command.end());
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) fail("fork");
  if (pid == 0) {
    execvp(arguments[0], arguments.data());
    std::perror(arguments[0]);
    std::_Exit(127);
  }
  child_to_signal = pid;
  for (const int number : {SIGTERM, SIGINT}) std::signal(number, pass_on);
  const std::size_t anonymous_peak = watch(pid);
  int status = 0;
  rusage usage{};
  if (wait4(pid, &status, 0, &usage) != pid) fail("wait4");
  std::ofstream{out} << "{\"userSeconds\":" << seconds_of(usage.ru_utime)
                     << ",\"systemSeconds\":" << seconds_of(usage.ru_stime)
                     << ",\"peakRssBytes\":" << usage.ru_maxrss * 1024
                     << ",\"peakAnonymousBytes\":" << anonymous_peak << "}\n";
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace xenferry::bench
