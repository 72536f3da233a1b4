// System calls off the JavaScript thread.
#pragma once

#include <napi.h>

#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "failure.h"

namespace xenferry::host {

// Runs `Work` (returns a number) on a worker thread; keeps `used` alive meanwhile.
template <typename Work>
class HostCall : public Napi::AsyncWorker {
 public:
  static Napi::Promise start(Napi::Env env, std::vector<Napi::Object> used, Work work) {
    auto* call = new HostCall(env, std::move(used), std::move(work));
    Napi::Promise promise = call->deferred_.Promise();
    call->Queue();
    return promise;
  }

  // The same on this thread, at once: for work that takes less than two changes of thread.
  static Napi::Promise run(Napi::Env env, Work work) {
    Napi::Promise::Deferred deferred{env};
    try {
      deferred.Resolve(Napi::Number::New(env, static_cast<double>(work())));
    } catch (const std::system_error& error) {
      deferred.Reject(make_failure(env, error));
    }
    return deferred.Promise();
  }

 private:
  HostCall(Napi::Env env, std::vector<Napi::Object> used, Work work)
      : Napi::AsyncWorker(env), deferred_(env), work_(std::move(work)) {
    for (const Napi::Object& object : used) used_.push_back(Napi::Persistent(object));
  }

  void Execute() override {
    try {
      result_ = static_cast<double>(work_());
    } catch (const std::system_error& error) {
      failure_ = error;
    }
  }

  void OnOK() override {
    if (failure_.has_value()) {
      deferred_.Reject(make_failure(Env(), *failure_));
    } else {
      deferred_.Resolve(Napi::Number::New(Env(), result_));
    }
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  std::vector<Napi::ObjectReference> used_;
  double result_ = 0;
  std::optional<std::system_error> failure_;
};

}  // namespace xenferry::host
