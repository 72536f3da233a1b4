#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace xenferry::pump {

// Why a pump stopped: a code of src/base/errors.ts and facts about it.
class Failure : public std::exception {
 public:
  using Facts = std::vector<std::pair<const char*, std::uint64_t>>;

  explicit Failure(const char* code, Facts facts = {}) : code_(code), facts_(std::move(facts)) {}

  // A system call that failed on the transport or on the guest's memory.
  static Failure of_call(const char* code, const char* call, int error_number) {
    Failure failure{code, {{"errno", static_cast<std::uint64_t>(error_number)}}};
    failure.call_ = call;
    return failure;
  }

  // The pump was told to stop: no failure of anything.
  static Failure cancelled() { return Failure{kCancelled}; }

  const char* what() const noexcept override { return code_; }
  const char* code() const noexcept { return code_; }
  // Name of the system call, or null.
  const char* call() const noexcept { return call_; }
  const Facts& facts() const noexcept { return facts_; }

  static constexpr const char* kCancelled = "CANCELLED";

 private:
  const char* code_;
  const char* call_ = nullptr;
  Facts facts_;
};

}  // namespace xenferry::pump
