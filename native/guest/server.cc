#include "server.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <optional>
#include <sstream>
#include <system_error>

namespace xenferry::guest {
namespace {

constexpr std::size_t kLineBytesMax = 1 << 20;
constexpr std::size_t kStateWords = 6;
constexpr unsigned kThrottlePercentMax = 99;

[[noreturn]] void fail(const char* call) {
  throw std::system_error(errno, std::generic_category(), call);
}

const char* name_of(RunState state) {
  switch (state) {
    case RunState::kIncoming:
      return "incoming";
    case RunState::kRunning:
      return "running";
    case RunState::kPaused:
      return "paused";
    case RunState::kSuspended:
      return "suspended";
  }
  return "";
}

std::string join(const std::vector<std::uint64_t>& numbers) {
  std::ostringstream text;
  for (std::size_t index = 0; index < numbers.size(); ++index) {
    text << (index == 0 ? "" : ",") << numbers[index];
  }
  return text.str();
}

std::string counters_text(const std::vector<VcpuState>& vcpus) {
  std::ostringstream text;
  for (std::size_t number = 0; number < vcpus.size(); ++number) {
    const VcpuState& vcpu = vcpus[number];
    text << " v" << number << '=' << join({vcpu.stores, vcpu.reads, vcpu.faults});
  }
  return text.str();
}

std::string states_text(const std::vector<VcpuState>& vcpus) {
  std::ostringstream text;
  for (std::size_t number = 0; number < vcpus.size(); ++number) {
    const VcpuState& vcpu = vcpus[number];
    text << " v" << number << '='
         << join({vcpu.stores, vcpu.reads, vcpu.faults, vcpu.prng, vcpu.cursor, vcpu.versions});
  }
  return text.str();
}

std::optional<VcpuState> parse_state(const std::string& text) {
  std::array<std::uint64_t, kStateWords> words{};
  std::istringstream stream{text};
  for (std::size_t index = 0; index < kStateWords; ++index) {
    char comma = ',';
    if (index > 0) stream >> comma;
    if (!(stream >> words[index]) || comma != ',') return std::nullopt;
  }
  return VcpuState{words[0], words[1], words[2], words[3], words[4], words[5]};
}

struct Reply {
  std::string line;
  bool ends_guest = false;
};

Reply refuse(const std::string& why) { return {"error GUEST_STATE " + why}; }

std::string status_line(const Machine& machine) {
  return std::string{"ok state="} + name_of(machine.run_state()) +
         counters_text(machine.counters());
}

Reply stop(Machine& machine, RunState into) {
  if (machine.run_state() == RunState::kIncoming) return refuse("the guest has no state yet");
  machine.stop(into);
  return {"ok"};
}

Reply set_state(Machine& machine, std::istringstream& words) {
  if (machine.run_state() != RunState::kIncoming) return refuse("the guest has its state already");
  const std::uint64_t vcpu_count = machine.workload().vcpu_count;
  std::vector<VcpuState> states;
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    const auto state = parse_state(word.substr(equals == std::string::npos ? 0 : equals + 1));
    if (!state.has_value()) return refuse("a vCPU's state is not six numbers");
    const std::uint64_t share = share_pages(machine.workload(), states.size());
    if (state->cursor != 0 && state->cursor >= share) return refuse("a vCPU's cursor is too high");
    states.push_back(*state);
  }
  if (states.size() != vcpu_count) return refuse("another number of vCPUs");
  machine.set_states(states);
  machine.stop(RunState::kSuspended);
  return {"ok"};
}

// Where a foreign process finds the memory: descriptors of this process, an address in it.
std::string memory_line(const Ram& ram) {
  std::ostringstream line;
  line << "ok pid=" << getpid() << " ramFd=" << ram.ram_fd() << " address=" << ram.address();
  if (ram.is_software()) line << " bitmapFd=" << ram.bitmap_fd();
  return line.str();
}

std::string check_line(Machine& machine) {
  const CheckResult result = machine.check();
  std::ostringstream line;
  line << "ok pages=" << result.pages_checked << " bad=" << result.pages_bad
       << " badPfns=" << join(result.bad_pfns) << " versions=" << (result.versions_match ? 1 : 0)
       << " pauseNs=" << result.pause_ns << counters_text(machine.counters());
  return line.str();
}

Reply start(Machine& machine, std::istringstream& words) {
  std::string mode;
  words >> mode;
  if (machine.run_state() == RunState::kIncoming) return refuse("the guest has no state yet");
  if (mode == "mode=running") {
    machine.run();
  } else {
    machine.stop(RunState::kPaused);
  }
  return {"ok"};
}

// A client and what it has sent of its next line.
struct Client {
  UniqueFd fd;
  std::string pending;
  // Whether it has slowed the guest down, which ends with it.
  bool throttles = false;
};

Reply throttle(Machine& machine, Client& client, std::istringstream& words) {
  std::string word;
  unsigned percent = 0;
  words >> word;
  std::istringstream number{word.substr(word.find('=') + 1)};
  if (word.rfind("percent=", 0) != 0 || !(number >> percent) || !number.eof() ||
      percent > kThrottlePercentMax) {
    return refuse("no percentage from 0 to 99");
  }
  machine.throttle(percent);
  client.throttles = percent > 0;
  return {"ok"};
}

Reply answer(Machine& machine, Client& client, const std::string& request) {
  std::istringstream words{request};
  std::string verb;
  words >> verb;
  if (verb == "throttle") return throttle(machine, client, words);
  if (verb == "status") return {status_line(machine)};
  if (verb == "memory") return {memory_line(machine.ram())};
  if (verb == "suspend") return stop(machine, RunState::kSuspended);
  if (verb == "pause") return stop(machine, RunState::kPaused);
  if (verb == "start") return start(machine, words);
  if (verb == "state") {
    if (machine.run_state() == RunState::kRunning) return refuse("the guest runs");
    return {"ok" + states_text(machine.states())};
  }
  if (verb == "set-state") return set_state(machine, words);
  if (verb == "check") return {check_line(machine)};
  if (verb == "destroy") return {"ok", true};
  return {"error GUEST_PROTOCOL no such verb: " + verb};
}

bool send_line(int fd, const std::string& line) {
  const std::string text = line + "\n";
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count = send(fd, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    sent += static_cast<std::size_t>(count);
  }
  return true;
}

enum class Served { kGoOn, kDropClient, kEndGuest };

Served serve_client(Machine& machine, Client& client) {
  std::array<char, 4096> buffer;
  const ssize_t count = recv(client.fd.get(), buffer.data(), buffer.size(), 0);
  if (count <= 0) return Served::kDropClient;
  client.pending.append(buffer.data(), static_cast<std::size_t>(count));
  for (auto end = client.pending.find('\n'); end != std::string::npos;
       end = client.pending.find('\n')) {
    const Reply reply = answer(machine, client, client.pending.substr(0, end));
    client.pending.erase(0, end + 1);
    const bool is_sent = send_line(client.fd.get(), reply.line);
    if (reply.ends_guest) return Served::kEndGuest;
    if (!is_sent) return Served::kDropClient;
  }
  return client.pending.size() > kLineBytesMax ? Served::kDropClient : Served::kGoOn;
}

}  // namespace

UniqueFd listen_at(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail("control socket");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (fd.get() < 0) fail("socket");
  const mode_t mask = umask(0177);
  const int bound = bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  umask(mask);
  if (bound != 0) fail("bind");
  if (listen(fd.get(), 16) != 0) fail("listen");
  return fd;
}

void serve(Machine& machine, int listen_fd) {
  std::map<int, Client> clients;
  for (;;) {
    std::vector<pollfd> polled = {{listen_fd, POLLIN, 0}};
    for (const auto& [fd, client] : clients) polled.push_back({fd, POLLIN, 0});
    if (poll(polled.data(), polled.size(), -1) < 0) {
      if (errno == EINTR) continue;
      fail("poll");
    }
    for (const pollfd& entry : polled) {
      if (entry.revents == 0) continue;
      if (entry.fd == listen_fd) {
        UniqueFd fd{accept4(listen_fd, nullptr, nullptr, SOCK_CLOEXEC)};
        const int number = fd.get();
        if (number >= 0) clients.emplace(number, Client{std::move(fd), {}});
        continue;
      }
      const Served served = serve_client(machine, clients.at(entry.fd));
      if (served == Served::kEndGuest) return;
      if (served == Served::kDropClient) {
        if (clients.at(entry.fd).throttles) machine.throttle(0);
        clients.erase(entry.fd);
      }
      if (clients.empty() && machine.run_state() == RunState::kIncoming) return;
    }
  }
}

}  // namespace xenferry::guest
