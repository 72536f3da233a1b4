// Everything that JavaScript sees of the pump add-on; the typed door is
// src/transport/pump-addon.ts, which alone calls this and passes what is documented there.
#include <fcntl.h>
#include <napi.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "async.h"
#include "file_checksums.h"
#include "image_file.h"
#include "image_source.h"
#include "js.h"
#include "ram_file.h"
#include "readable_watch.h"
#include "receive.h"
#include "send.h"

namespace xenferry::pump {

namespace {

constexpr std::uint32_t kAbiVersion = 5;

GuestRam ram_of(const Napi::Array& windows) {
  std::vector<Window> spans;
  for (std::uint32_t index = 0; index < windows.Length(); ++index) {
    const auto window = windows.Get(index).As<Napi::Object>();
    spans.push_back(
        {static_cast<std::uint32_t>(whole(window, "firstPfn")), bytes_of(window.Get("bytes"))});
  }
  return GuestRam{std::move(spans)};
}

// new RamFile({ fd, pfnCount }): a guest's RAM on its way in.
class RamFileHandle : public Napi::ObjectWrap<RamFileHandle> {
 public:
  explicit RamFileHandle(const Info& info)
      : ObjectWrap(info),
        ram_(fd_of(info[0].As<Napi::Object>(), "fd"),
             whole(info[0].As<Napi::Object>(), "pfnCount")) {}

  static Napi::Function define(Napi::Env env) { return DefineClass(env, "RamFile", {}); }

  static RamFile& of(const Napi::Value& value) { return Unwrap(value.As<Napi::Object>())->ram_; }

 private:
  RamFile ram_;
};

// new Sender({ windows, bytesPerSecondMax, digests?: { pfnCount, key, isOptional } }): a guest's
// RAM on its way out.
class Sender : public Napi::ObjectWrap<Sender> {
 public:
  explicit Sender(const Info& info)
      : ObjectWrap(info),
        windows_(Napi::Persistent(option(info, "windows").As<Napi::Object>())),
        pump_(ram_of(option(info, "windows").As<Napi::Array>()), engine::native_operations(),
              whole(info[0].As<Napi::Object>(), "bytesPerSecondMax"), digests_of(info)) {}

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Sender", {InstanceMethod<&Sender::pack>("pack")});
  }

  static SendPump& of(const Napi::Value& value) { return Unwrap(value.As<Napi::Object>())->pump_; }

 private:
  static std::optional<PageDigests> digests_of(const Info& info) {
    const Napi::Value digests = option(info, "digests");
    if (digests.IsUndefined()) return std::nullopt;
    const auto object = digests.As<Napi::Object>();
    return PageDigests{whole(object, "pfnCount"), bytes_of(object.Get("key")),
                       object.Get("isOptional").As<Napi::Boolean>().Value()};
  }

  static Napi::Value option(const Info& info, const char* name) {
    return info[0].As<Napi::Object>().Get(name);
  }

  Napi::Value pack(const Info& info) {
    pump_.pack(static_cast<CompressionMode>(info[0].As<Napi::Number>().Int32Value()));
    return info.Env().Undefined();
  }

  Napi::ObjectReference windows_;
  SendPump pump_;
};

FileAccess access_of(const Napi::Value& name) {
  const auto text = name.As<Napi::String>().Utf8Value();
  return text == "direct"   ? FileAccess::kDirect
         : text == "cached" ? FileAccess::kCached
                            : FileAccess::kAuto;
}

// new Iteration({ sender, dirty, populated?, elidesZeroPages, counters }): one pass over dirty
// pages.
class IterationHandle : public Napi::ObjectWrap<IterationHandle> {
 public:
  explicit IterationHandle(const Info& info)
      : ObjectWrap(info),
        job_(Napi::Persistent(info[0].As<Napi::Object>())),
        pump_(Sender::of(info[0].As<Napi::Object>().Get("sender"))),
        iteration_(plan_of(info[0].As<Napi::Object>())) {}

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Iteration",
                       {InstanceMethod<&IterationHandle::send>("send"),
                        InstanceMethod<&IterationHandle::send_to_image>("sendToImage")});
  }

 private:
  static IterationPlan plan_of(const Napi::Object& job) {
    engine::ConstBytes populated;
    if (job.Has("populated")) populated = bytes_of(job.Get("populated"));
    return {
        .dirty = bytes_of(job.Get("dirty")),
        .populated = populated,
        .elides_zero_pages = job.Get("elidesZeroPages").As<Napi::Boolean>().Value(),
        .counters = counters_of(job),
    };
  }

  // send({ fd, position?, cancel }): octets sent.
  Napi::Value send(const Info& info) {
    const auto job = info[0].As<Napi::Object>();
    std::optional<std::uint64_t> position;
    if (job.Has("position")) position = whole(job, "position");
    const int fd = fd_of(job, "fd");
    const Cancel& cancel = CancelHandle::of(job.Get("cancel"));
    const auto work = [this, fd, position, &cancel] {
      Outlet outlet{fd, position, cancel};
      return pump_.send(iteration_, outlet, cancel);
    };
    const auto to_js = [](Napi::Env env, std::uint64_t bytes) {
      return Napi::Number::New(env, static_cast<double>(bytes));
    };
    return PumpCall<decltype(work), decltype(to_js)>::start(
        info.Env(), {job, info.This().As<Napi::Object>()}, work, to_js);
  }

  // sendToImage({ fd, position, fileAccess, laneCount, cancel }): { bytes, directBytes }.
  Napi::Value send_to_image(const Info& info) {
    const auto job = info[0].As<Napi::Object>();
    const int fd = fd_of(job, "fd");
    const std::uint64_t position = whole(job, "position");
    const FileAccess access = access_of(job.Get("fileAccess"));
    const std::size_t lane_count = whole(job, "laneCount");
    const Cancel& cancel = CancelHandle::of(job.Get("cancel"));
    const auto work = [=, this, &cancel] {
      ImageFile file{fd, position, access};
      const std::uint64_t bytes = send_into(file, pump_, iteration_, lane_count, cancel);
      return std::pair{bytes, file.direct_bytes()};
    };
    const auto to_js = [](Napi::Env env, const std::pair<std::uint64_t, std::uint64_t>& sent) {
      auto object = Napi::Object::New(env);
      object["bytes"] = Napi::Number::New(env, static_cast<double>(sent.first));
      object["directBytes"] = Napi::Number::New(env, static_cast<double>(sent.second));
      return object;
    };
    return PumpCall<decltype(work), decltype(to_js)>::start(
        info.Env(), {job, info.This().As<Napi::Object>()}, work, to_js);
  }

  Napi::ObjectReference job_;
  SendPump& pump_;
  Iteration iteration_;
};

// receivePages({ fd, fileAccess?, ram, offset, type, bodyBytes, threadCount, counters, cancel })
Napi::Value receive_pages(const Info& info) {
  const auto job = info[0].As<Napi::Object>();
  const int fd = fd_of(job, "fd");
  RamFile& ram = RamFileHandle::of(job.Get("ram"));
  const std::uint64_t offset = whole(job, "offset");
  const RecordHeader first = {static_cast<std::uint32_t>(whole(job, "type")),
                              static_cast<std::uint32_t>(whole(job, "bodyBytes"))};
  const std::size_t thread_count = whole(job, "threadCount");
  const Cancel& cancel = CancelHandle::of(job.Get("cancel"));
  const Counters counters = counters_of(job);
  std::optional<FileAccess> access;
  if (job.Has("fileAccess")) access = access_of(job.Get("fileAccess"));
  const auto work = [=, &ram, &cancel]() -> ReceivedFrom {
    const auto run = [&](PageSource& source) {
      return ReceivePump{source, ram, engine::native_operations(), offset, counters}.run(
          first, thread_count);
    };
    if (access.has_value()) {
      ImageSource image{fd, offset, *access, cancel};
      const Received received = run(image);
      return {received, image.direct_bytes()};
    }
    Inlet inlet{fd, cancel, counters};
    StreamSource stream{inlet};
    return {run(stream), 0};
  };
  return PumpCall<decltype(work), decltype(&received_to_js)>::start(info.Env(), {job}, work,
                                                                    &received_to_js);
}

// checksumFile({ fd, offsets, pageCounts, crcs, threadCount, cancel }): pages checksummed.
Napi::Value checksum_pages_of_file(const Info& info) {
  const auto job = info[0].As<Napi::Object>();
  const int fd = fd_of(job, "fd");
  const auto offsets = job.Get("offsets").As<Napi::Float64Array>();
  const auto page_counts = job.Get("pageCounts").As<Napi::Uint32Array>();
  auto crcs = job.Get("crcs").As<Napi::Uint32Array>();
  const engine::Words out_crcs = {crcs.Data(), crcs.ElementLength()};
  const std::size_t thread_count = whole(job, "threadCount");
  const Cancel& cancel = CancelHandle::of(job.Get("cancel"));
  std::vector<PageRange> ranges;
  for (std::size_t index = 0; index < offsets.ElementLength(); ++index) {
    ranges.push_back({static_cast<std::uint64_t>(offsets[index]), page_counts[index]});
  }
  const auto work = [=, &cancel, ranges = std::move(ranges)] {
    checksum_file(fd, ranges, out_crcs, engine::native_operations(), thread_count, cancel);
    return out_crcs.size();
  };
  const auto to_js = [](Napi::Env env, std::size_t count) {
    return Napi::Number::New(env, static_cast<double>(count));
  };
  return PumpCall<decltype(work), decltype(to_js)>::start(info.Env(), {job}, work, to_js);
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

// duplicate(fd): a descriptor of the caller's own on the same pipe; negative errno on failure.
Napi::Value duplicate(const Info& info) {
  const int fd = fcntl(info[0].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 0);
  return Napi::Number::New(info.Env(), fd >= 0 ? fd : -errno);
}

// queuedBytes(fd): octets written that the peer has not taken yet.
Napi::Value queued(const Info& info) {
  const int fd = info[0].As<Napi::Number>().Int32Value();
  return Napi::Number::New(info.Env(), static_cast<double>(queued_bytes(fd)));
}

// link(): the two ends of a new pipe of both directions, the caller's; a negative errno on failure.
Napi::Value link_ends(const Napi::CallbackInfo& info) {
  std::array<int, 2> ends;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return Napi::Number::New(info.Env(), -errno);
  }
  auto pair = Napi::Array::New(info.Env(), ends.size());
  for (std::uint32_t index = 0; index < ends.size(); ++index) pair[index] = ends[index];
  return pair;
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["abiVersion"] = Napi::Number::New(env, kAbiVersion);
  exports["Cancel"] = CancelHandle::define(env);
  exports["ReadableWatch"] = ReadableWatch::define(env);
  exports["Sender"] = Sender::define(env);
  exports["Iteration"] = IterationHandle::define(env);
  exports["RamFile"] = RamFileHandle::define(env);
  exports["hasZstd"] = Napi::Boolean::New(env, zstd::is_available());
  exports["checksumFile"] = Napi::Function::New(env, checksum_pages_of_file);
  exports["receivePages"] = Napi::Function::New(env, receive_pages, "receivePages");
  exports["readNow"] = Napi::Function::New(env, read_now, "readNow");
  exports["queuedBytes"] = Napi::Function::New(env, queued, "queuedBytes");
  exports["link"] = Napi::Function::New(env, link_ends, "link");
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
