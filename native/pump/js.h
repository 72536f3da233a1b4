// Values that pass between JavaScript and the add-ons that pump pages.
#pragma once

#include <napi.h>

#include <cstdint>

#include "../engine/types.h"
#include "cancel.h"
#include "counters.h"
#include "receive.h"

namespace xenferry::pump {

using Info = Napi::CallbackInfo;

inline std::uint64_t whole(const Napi::Object& object, const char* name) {
  return static_cast<std::uint64_t>(object.Get(name).As<Napi::Number>().Int64Value());
}

inline int fd_of(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::Number>().Int32Value();
}

inline engine::Bytes bytes_of(const Napi::Value& value) {
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
}

// Entries as in counters.h, of { counters }, which the caller keeps alive.
inline Counters counters_of(const Napi::Object& object) {
  auto words = object.Get("counters").As<Napi::BigUint64Array>();
  return Counters{{words.Data(), words.ElementLength()}};
}

// new Cancel(), then fire() from any moment on.
class CancelHandle : public Napi::ObjectWrap<CancelHandle> {
 public:
  explicit CancelHandle(const Info& info) : ObjectWrap(info) {}

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Cancel", {InstanceMethod<&CancelHandle::fire>("fire")});
  }

  static Cancel& of(const Napi::Value& value) { return Unwrap(value.As<Napi::Object>())->cancel_; }

 private:
  Napi::Value fire(const Info& info) {
    cancel_.fire();
    return info.Env().Undefined();
  }

  Cancel cancel_;
};

// What was received, and how many octets of it past the page cache.
struct ReceivedFrom {
  Received received;
  std::uint64_t direct_bytes = 0;
};

inline Napi::Object received_to_js(Napi::Env env, const ReceivedFrom& from) {
  const Received& received = from.received;
  auto object = Napi::Object::New(env);
  const auto set = [&](const char* name, std::uint64_t value) {
    object[name] = Napi::Number::New(env, static_cast<double>(value));
  };
  set("records", received.records);
  set("entries", received.entries);
  set("dataPages", received.data_pages);
  set("bytes", received.bytes);
  set("directBytes", from.direct_bytes);
  set("nextType", received.next.type);
  set("nextBodyBytes", received.next.body_bytes);
  return object;
}

}  // namespace xenferry::pump
