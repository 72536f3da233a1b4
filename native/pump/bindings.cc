// Everything that JavaScript sees of the pump add-on; the typed door is
// src/transport/pump-addon.ts, which alone calls this and passes what is documented there.
#include <fcntl.h>
#include <napi.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "async.h"
#include "image_source.h"
#include "receive.h"
#include "send.h"

namespace xenferry::pump {

Napi::Object failure_to_js(Napi::Env env, const Failure& failure) {
  auto facts = Napi::Object::New(env);
  for (const auto& [name, value] : failure.facts()) facts[name] = Napi::Number::New(env, value);
  auto object = Napi::Object::New(env);
  object["code"] = failure.code();
  object["facts"] = facts;
  if (failure.call() != nullptr) object["call"] = failure.call();
  return object;
}

namespace {

using Info = Napi::CallbackInfo;

constexpr std::uint32_t kAbiVersion = 1;

std::uint64_t whole(const Napi::Object& object, const char* name) {
  return static_cast<std::uint64_t>(object.Get(name).As<Napi::Number>().Int64Value());
}

int fd_of(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::Number>().Int32Value();
}

engine::Bytes bytes_of(const Napi::Value& value) {
  auto array = value.As<Napi::Uint8Array>();
  return {array.Data(), array.ByteLength()};
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

GuestRam ram_of(const Napi::Array& windows) {
  std::vector<Window> spans;
  for (std::uint32_t index = 0; index < windows.Length(); ++index) {
    const auto window = windows.Get(index).As<Napi::Object>();
    spans.push_back(
        {static_cast<std::uint32_t>(whole(window, "firstPfn")), bytes_of(window.Get("bytes"))});
  }
  return GuestRam{std::move(spans)};
}

// new Sender({ windows, bytesPerSecondMax, digests?: { pfnCount, key } }): a guest's RAM on its way
// out.
class Sender : public Napi::ObjectWrap<Sender> {
 public:
  explicit Sender(const Info& info)
      : ObjectWrap(info),
        windows_(Napi::Persistent(option(info, "windows").As<Napi::Object>())),
        pump_(ram_of(option(info, "windows").As<Napi::Array>()), engine::measured_operations(),
              whole(info[0].As<Napi::Object>(), "bytesPerSecondMax"), digests_of(info)) {}

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Sender", {InstanceMethod<&Sender::send>("send")});
  }

 private:
  static std::optional<PageDigests> digests_of(const Info& info) {
    const Napi::Value digests = option(info, "digests");
    if (digests.IsUndefined()) return std::nullopt;
    const auto object = digests.As<Napi::Object>();
    return PageDigests{whole(object, "pfnCount"), bytes_of(object.Get("key"))};
  }

  static Napi::Value option(const Info& info, const char* name) {
    return info[0].As<Napi::Object>().Get(name);
  }

  // send({ fd, position?, dirty, populated?, elidesZeroPages, counters, cancel })
  Napi::Value send(const Info& info) {
    const auto job = info[0].As<Napi::Object>();
    std::optional<std::uint64_t> position;
    if (job.Has("position")) position = whole(job, "position");
    engine::ConstBytes populated;
    if (job.Has("populated")) populated = bytes_of(job.Get("populated"));
    auto counters = job.Get("counters").As<Napi::BigUint64Array>();
    const Iteration iteration = {
        .dirty = bytes_of(job.Get("dirty")),
        .populated = populated,
        .elides_zero_pages = job.Get("elidesZeroPages").As<Napi::Boolean>().Value(),
        .counters = Counters{{counters.Data(), counters.ElementLength()}},
    };
    const int fd = fd_of(job, "fd");
    const Cancel& cancel = CancelHandle::of(job.Get("cancel"));
    const auto work = [this, iteration, fd, position, &cancel] {
      Outlet outlet{fd, position, cancel};
      pump_.send(iteration, outlet, cancel);
      return true;
    };
    const auto to_js = [](Napi::Env env, bool) { return env.Undefined(); };
    return PumpCall<decltype(work), decltype(to_js)>::start(
        info.Env(), {job, info.This().As<Napi::Object>()}, work, to_js);
  }

  Napi::ObjectReference windows_;
  SendPump pump_;
};

struct ReceivedFrom {
  Received received;
  std::uint64_t direct_bytes;
};

Napi::Object received_to_js(Napi::Env env, const ReceivedFrom& from) {
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

FileReads reads_of(const Napi::Value& name) {
  const auto text = name.As<Napi::String>().Utf8Value();
  return text == "direct"   ? FileReads::kDirect
         : text == "cached" ? FileReads::kCached
                            : FileReads::kAuto;
}

// receivePages({ fd, fileReads?, ramFd, pfnCount, offset, bodyBytes, threadCount, cancel })
Napi::Value receive_pages(const Info& info) {
  const auto job = info[0].As<Napi::Object>();
  const int fd = fd_of(job, "fd");
  const RamFile ram = {.fd = fd_of(job, "ramFd"), .pfn_count = whole(job, "pfnCount")};
  const std::uint64_t offset = whole(job, "offset");
  const RecordHeader first = {kPageDataType, static_cast<std::uint32_t>(whole(job, "bodyBytes"))};
  const std::size_t thread_count = whole(job, "threadCount");
  const Cancel& cancel = CancelHandle::of(job.Get("cancel"));
  const bool is_file = job.Has("fileReads");
  const FileReads reads = is_file ? reads_of(job.Get("fileReads")) : FileReads::kCached;
  const auto work = [=, &cancel]() -> ReceivedFrom {
    const auto run = [&](PageSource& source) {
      return ReceivePump{source, ram, engine::measured_operations(), offset}.run(first,
                                                                                 thread_count);
    };
    if (is_file) {
      ImageSource image{fd, offset, reads, cancel};
      const Received received = run(image);
      return {received, image.direct_bytes()};
    }
    Inlet inlet{fd, cancel};
    StreamSource stream{inlet};
    return {run(stream), 0};
  };
  return PumpCall<decltype(work), decltype(&received_to_js)>::start(info.Env(), {job}, work,
                                                                    &received_to_js);
}

// readNow(fd, bytes): octets read, 0 at the end, -1 where nothing is there yet, or { failure }.
Napi::Value read_now(const Info& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const engine::Bytes out = bytes_of(info[1]);
  pollfd ready = {fd, POLLIN, 0};
  ssize_t count = -1;
  do {
    count = poll(&ready, 1, 0) > 0 ? read(fd, out.data(), out.size()) : -1;
  } while (count < 0 && errno == EINTR);
  if (ready.revents != 0 && count < 0 && errno != EAGAIN) {
    auto outcome = Napi::Object::New(info.Env());
    outcome["failure"] =
        failure_to_js(info.Env(), Failure::of_call("TRANSPORT_LOST", "read", errno));
    return outcome;
  }
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

// waitReadable(fd, cancel)
Napi::Value wait_until_readable(const Info& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  const Cancel& cancel = CancelHandle::of(info[1]);
  const auto work = [fd, &cancel] {
    wait_readable(fd, cancel);
    return true;
  };
  const auto to_js = [](Napi::Env env, bool) { return env.Undefined(); };
  return PumpCall<decltype(work), decltype(to_js)>::start(info.Env(), {info[1].As<Napi::Object>()},
                                                          work, to_js);
}

// duplicate(fd): a descriptor of the caller's own on the same pipe; negative errno on failure.
Napi::Value duplicate(const Info& info) {
  const int fd = fcntl(info[0].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 0);
  return Napi::Number::New(info.Env(), fd >= 0 ? fd : -errno);
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["abiVersion"] = Napi::Number::New(env, kAbiVersion);
  exports["Cancel"] = CancelHandle::define(env);
  exports["Sender"] = Sender::define(env);
  exports["receivePages"] = Napi::Function::New(env, receive_pages, "receivePages");
  exports["readNow"] = Napi::Function::New(env, read_now, "readNow");
  exports["waitReadable"] = Napi::Function::New(env, wait_until_readable, "waitReadable");
  exports["duplicate"] = Napi::Function::New(env, duplicate, "duplicate");
  return exports;
}

}  // namespace
}  // namespace xenferry::pump

// The macro pastes its second argument into a name, so the function must have a plain one.
static Napi::Object init_pump(Napi::Env env, Napi::Object exports) {
  return xenferry::pump::init(env, exports);
}

NODE_API_MODULE(pump, init_pump)
