// Waiting for octets in the event loop, on no thread.
#pragma once

#include <napi.h>
#include <uv.h>

#include <optional>
#include <utility>

#include "async.h"
#include "failure.h"

namespace xenferry::pump {

// new ReadableWatch(fd), then wait(), one at a time, and close() before the descriptor is closed.
// The descriptor is a socket or pipe, and no other handle of the loop has it.
class ReadableWatch : public Napi::ObjectWrap<ReadableWatch> {
 public:
  explicit ReadableWatch(const Napi::CallbackInfo& info)
      : ObjectWrap(info),
        fd_(info[0].As<Napi::Number>().Int32Value()),
        context_(info.Env(), "xenferry readable") {}

  ~ReadableWatch() override { let_go(); }

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "ReadableWatch",
                       {InstanceMethod<&ReadableWatch::wait>("wait"),
                        InstanceMethod<&ReadableWatch::close>("close")});
  }

 private:
  // wait(): resolves with {} when there are octets, the end or an error to read.
  Napi::Value wait(const Napi::CallbackInfo& info) {
    Napi::Promise::Deferred waiting{info.Env()};
    waiting_ = waiting;
    Ref();
    const int status = watch(info.Env());
    if (status != 0) settle(Failure::of_call("TRANSPORT_LOST", "epoll_ctl", -status));
    return waiting.Promise();
  }

  // close(): a wait under way ends as cancelled.
  Napi::Value close(const Napi::CallbackInfo& info) {
    let_go();
    if (waiting_.has_value()) settle(Failure::cancelled());
    return info.Env().Undefined();
  }

  int watch(Napi::Env env) {
    if (poll_ == nullptr) {
      uv_loop_t* loop = nullptr;
      napi_get_uv_event_loop(env, &loop);
      auto* poll = new uv_poll_t;
      if (const int status = uv_poll_init(loop, poll, fd_); status != 0) {
        delete poll;
        return status;
      }
      poll->data = this;
      poll_ = poll;
    }
    return uv_poll_start(poll_, UV_READABLE, [](uv_poll_t* poll, int, int) {
      static_cast<ReadableWatch*>(poll->data)->be_ready();
    });
  }

  // An error of the descriptor is told by the read that follows.
  void be_ready() {
    uv_poll_stop(poll_);
    const Napi::HandleScope handles{Env()};
    const Napi::CallbackScope callbacks{Env(), context_};
    settle(std::nullopt);
  }

  void settle(const std::optional<Failure>& failure) {
    auto outcome = Napi::Object::New(Env());
    if (failure.has_value()) outcome["failure"] = failure_to_js(Env(), *failure);
    const Napi::Promise::Deferred waiting = *std::exchange(waiting_, std::nullopt);
    Unref();
    waiting.Resolve(outcome);
  }

  // The loop frees the handle when it has let go of it too.
  void let_go() {
    if (poll_ == nullptr) return;
    uv_close(reinterpret_cast<uv_handle_t*>(std::exchange(poll_, nullptr)),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_poll_t*>(handle); });
  }

  int fd_;
  Napi::AsyncContext context_;
  uv_poll_t* poll_ = nullptr;
  std::optional<Napi::Promise::Deferred> waiting_;
};

}  // namespace xenferry::pump
