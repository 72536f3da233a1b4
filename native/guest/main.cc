// The embedded guest: a process whose memory stands for a virtual machine's. It is created by
// src/guest/process/launch.ts, says on standard output where its memory is, and lives until it is
// told to end.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>

#include "arguments.h"
#include "machine.h"
#include "server.h"

namespace {

using namespace xenferry;

// From here on the control socket answers.
void say_ready() {
  std::printf("ready\n");
  std::fflush(stdout);
}

// Nobody reads what the guest says from here on.
void close_terminal() {
  const UniqueFd null{open("/dev/null", O_RDWR | O_CLOEXEC)};
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null.get(), fd);
}

}  // namespace

int main(int count, char** values) {
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    const guest::Arguments arguments = guest::parse_arguments(count, values);
    const UniqueFd listener = guest::listen_at(arguments.socket_path);
    guest::Machine machine{arguments.workload, arguments.log_dirty};
    if (arguments.start_as != guest::StartAs::kIncoming) {
      machine.fill();
      machine.stop(guest::RunState::kPaused);
      if (arguments.start_as == guest::StartAs::kRunning) machine.run();
    }
    say_ready();
    close_terminal();
    guest::serve(machine, listener.get());
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
