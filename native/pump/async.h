// Pump work off the JavaScript thread.
#pragma once

#include <napi.h>

#include <new>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "failure.h"

namespace xenferry::pump {

// { code, call?, facts }: what src/transport/pump-addon.ts makes a MigrationError of.
inline Napi::Object failure_to_js(Napi::Env env, const Failure& failure) {
  auto facts = Napi::Object::New(env);
  for (const auto& [name, value] : failure.facts()) facts[name] = Napi::Number::New(env, value);
  auto object = Napi::Object::New(env);
  object["code"] = failure.code();
  object["facts"] = facts;
  if (failure.call() != nullptr) object["call"] = failure.call();
  return object;
}

// Runs `Work` on a thread of its own and resolves with { value } or { failure }; `to_js(env,
// result)` makes the value. Keeps `used` alive meanwhile. Calls wait for a peer for as long as it
// likes, so they must not take threads of libuv's pool, which has four for everything.
template <typename Work, typename ToJs>
class PumpCall {
 public:
  static Napi::Promise start(Napi::Env env, std::vector<Napi::Object> used, Work work, ToJs to_js) {
    auto* call = new PumpCall(env, std::move(used), std::move(work), std::move(to_js));
    Napi::Promise promise = call->deferred_.Promise();
    try {
      call->thread_ = std::thread{[call] { call->run(); }};
    } catch (const std::system_error& error) {
      call->failure_ = Failure::of_call("GUEST_HOST_CALL", "pthread_create", error.code().value());
      call->finish();
    }
    return promise;
  }

 private:
  using Result = decltype(std::declval<Work>()());

  static void settle(Napi::Env env, Napi::Function, PumpCall* call, void*) { call->settle(env); }
  using Return = Napi::TypedThreadSafeFunction<PumpCall, void, &PumpCall::settle>;

  PumpCall(Napi::Env env, std::vector<Napi::Object> used, Work work, ToJs to_js)
      : deferred_(env), work_(std::move(work)), to_js_(std::move(to_js)) {
    for (const Napi::Object& object : used) used_.push_back(Napi::Persistent(object));
    return_ = Return::New(env, "xenferry pump", 0, 1, this, &PumpCall::end);
  }

  void run() {
    try {
      result_ = work_();
    } catch (const Failure& failure) {
      failure_ = failure;
    } catch (const std::bad_alloc&) {
      failure_ = Failure{"GUEST_HOST_CALL", {{"isOutOfMemory", 1}}};
    }
    finish();
  }

  // The last that the thread does with this.
  void finish() {
    return_.NonBlockingCall();
    return_.Release();
  }

  void settle(Napi::Env env) {
    auto outcome = Napi::Object::New(env);
    if (failure_.has_value()) {
      outcome["failure"] = failure_to_js(env, *failure_);
    } else {
      outcome["value"] = to_js_(env, *result_);
    }
    deferred_.Resolve(outcome);
  }

  // On the JavaScript thread again, behind settle().
  static void end(Napi::Env, void*, PumpCall* call) {
    if (call->thread_.joinable()) call->thread_.join();
    delete call;
  }

  Napi::Promise::Deferred deferred_;
  Work work_;
  ToJs to_js_;
  std::vector<Napi::ObjectReference> used_;
  Return return_;
  std::thread thread_;
  std::optional<Result> result_;
  std::optional<Failure> failure_;
};

}  // namespace xenferry::pump
