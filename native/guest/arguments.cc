#include "arguments.h"

#include <map>
#include <stdexcept>
#include <string>

namespace xenferry::guest {
namespace {

class Values {
 public:
  Values(int count, char** values) {
    for (int index = 1; index < count; ++index) {
      const std::string text = values[index];
      const auto equals = text.find('=');
      if (equals == std::string::npos) throw std::invalid_argument(text);
      by_key_[text.substr(0, equals)] = text.substr(equals + 1);
    }
  }

  std::string text(const std::string& key) const {
    const auto found = by_key_.find(key);
    if (found == by_key_.end()) throw std::invalid_argument(key + " is missing");
    return found->second;
  }

  std::uint64_t number(const std::string& key) const {
    const std::string value = text(key);
    std::size_t used = 0;
    const std::uint64_t number = std::stoull(value, &used);
    if (used != value.size()) throw std::invalid_argument(key + "=" + value);
    return number;
  }

  template <typename Choice>
  Choice choice(const std::string& key, const std::map<std::string, Choice>& choices) const {
    const auto found = choices.find(text(key));
    if (found == choices.end()) throw std::invalid_argument(key + "=" + text(key));
    return found->second;
  }

 private:
  std::map<std::string, std::string> by_key_;
};

void check(const Workload& workload) {
  if (workload.page_count == 0) throw std::invalid_argument("pages=0");
  if (workload.vcpu_count == 0) throw std::invalid_argument("vcpus=0");
  if (workload.working_set_pages > workload.page_count) {
    throw std::invalid_argument("working-set is larger than memory");
  }
  if (!(workload.read_share >= 0 && workload.read_share < 1)) {
    throw std::invalid_argument("read-share is not in [0, 1)");
  }
}

}  // namespace

Arguments parse_arguments(int count, char** argument_values) {
  const Values values{count, argument_values};
  Arguments arguments{};
  arguments.workload = {
      .seed = values.number("seed"),
      .page_count = values.number("pages"),
      .working_set_pages = values.number("working-set"),
      .vcpu_count = values.number("vcpus"),
      .stores_per_second = values.number("stores-per-second"),
      .read_share = std::stod(values.text("read-share")),
      .pattern = values.choice<Pattern>("pattern", {{"sequential", Pattern::kSequential},
                                                    {"uniform", Pattern::kUniform},
                                                    {"zipf", Pattern::kZipf}}),
      .fill = values.choice<Fill>("fill", {{"zero", Fill::kZero},
                                           {"random", Fill::kRandom},
                                           {"text", Fill::kText},
                                           {"half-zero", Fill::kHalfZero}}),
  };
  arguments.socket_path = values.text("socket");
  arguments.log_dirty =
      values.choice<LogDirtyChoice>("log-dirty", {{"auto", LogDirtyChoice::kAuto},
                                                  {"userfaultfd-wp", LogDirtyChoice::kUserfaultfd},
                                                  {"software", LogDirtyChoice::kSoftware}});
  arguments.start_as = values.choice<StartAs>("start-as", {{"running", StartAs::kRunning},
                                                           {"paused", StartAs::kPaused},
                                                           {"incoming", StartAs::kIncoming}});
  check(arguments.workload);
  return arguments;
}

}  // namespace xenferry::guest
