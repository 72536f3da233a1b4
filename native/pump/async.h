// Pump work off the JavaScript thread.
#pragma once

#include <napi.h>

#include <exception>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "failure.h"

namespace xenferry::pump {

// { code, call?, facts }: what src/transport/pump-addon.ts makes a MigrationError of.
Napi::Object failure_to_js(Napi::Env env, const Failure& failure);

// Runs `Work` on a worker thread and resolves with { value } or { failure }; `to_js(env, result)`
// makes the value. Keeps `used` alive meanwhile.
template <typename Work, typename ToJs>
class PumpCall : public Napi::AsyncWorker {
 public:
  static Napi::Promise start(Napi::Env env, std::vector<Napi::Object> used, Work work, ToJs to_js) {
    auto* call = new PumpCall(env, std::move(used), std::move(work), std::move(to_js));
    Napi::Promise promise = call->deferred_.Promise();
    call->Queue();
    return promise;
  }

 private:
  using Result = decltype(std::declval<Work>()());

  PumpCall(Napi::Env env, std::vector<Napi::Object> used, Work work, ToJs to_js)
      : Napi::AsyncWorker(env), deferred_(env), work_(std::move(work)), to_js_(std::move(to_js)) {
    for (const Napi::Object& object : used) used_.push_back(Napi::Persistent(object));
  }

  void Execute() override {
    try {
      result_ = work_();
    } catch (const Failure& failure) {
      failure_ = failure;
    } catch (const std::bad_alloc&) {
      failure_ = Failure{"GUEST_HOST_CALL", {{"isOutOfMemory", 1}}};
    }
  }

  void OnOK() override {
    const Napi::HandleScope scope(Env());
    auto outcome = Napi::Object::New(Env());
    if (failure_.has_value()) {
      outcome["failure"] = failure_to_js(Env(), *failure_);
    } else {
      outcome["value"] = to_js_(Env(), *result_);
    }
    deferred_.Resolve(outcome);
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  ToJs to_js_;
  std::vector<Napi::ObjectReference> used_;
  std::optional<Result> result_;
  std::optional<Failure> failure_;
};

}  // namespace xenferry::pump
