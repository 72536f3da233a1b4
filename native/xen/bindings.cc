// Everything that JavaScript sees of the xen add-on; the typed door is src/xen/addon.ts, which
// alone calls this and passes what is documented there.
#include <napi.h>

#include "domain_handle.h"
#include "memory_handle.h"
#include "send.h"
#include "source_pv_handle.h"

namespace xenferry::xen {
namespace {

using pump::bytes_of;
using pump::CancelHandle;
using pump::fd_of;
using pump::whole;

constexpr std::uint32_t kAbiVersion = 2;

Napi::Object options_of(const Info& info) { return info[0].As<Napi::Object>(); }

bool flag(const Napi::Object& object, const char* name) {
  return object.Get(name).As<Napi::Boolean>().Value();
}

// new Sender({ domain, pv?, bytesPerSecondMax }): a domain's pages on their way out; `pv` of a PV
// domain has been loaded.
class Sender : public Napi::ObjectWrap<Sender> {
 public:
  explicit Sender(const Info& info)
      : ObjectWrap(info),
        options_(Napi::Persistent(options_of(info))),
        pump_(DomainHandle::of(options_of(info).Get("domain")),
              PvSourceHandle::of(options_of(info).Get("pv")), engine::native_operations(),
              whole(options_of(info), "bytesPerSecondMax")) {}

  static Napi::Function define(Napi::Env env) {
    return DefineClass(env, "Sender", {InstanceMethod<&Sender::send>("send")});
  }

 private:
  // send({ dirty, deferred?, elidesZeroPages, namesHoles, keepsSuperpages, counters, fd, position?,
  // cancel }): octets sent.
  Napi::Value send(const Info& info) {
    const auto job = options_of(info);
    const SendPlan plan = {
        .dirty = bytes_of(job.Get("dirty")),
        .deferred =
            !job.Get("deferred").IsUndefined() ? bytes_of(job.Get("deferred")) : engine::Bytes{},
        .elides_zero_pages = flag(job, "elidesZeroPages"),
        .names_holes = flag(job, "namesHoles"),
        .keeps_superpages = flag(job, "keepsSuperpages"),
        .counters = pump::counters_of(job),
    };
    std::optional<std::uint64_t> position;
    if (job.Has("position")) position = whole(job, "position");
    const int fd = fd_of(job, "fd");
    const pump::Cancel& cancel = CancelHandle::of(job.Get("cancel"));
    const auto work = [this, plan, fd, position, &cancel] {
      pump::Outlet outlet{fd, position, cancel};
      return pump_.send(plan, outlet, cancel);
    };
    const auto to_js = [](Napi::Env env, std::uint64_t bytes) {
      return Napi::Number::New(env, static_cast<double>(bytes));
    };
    return pump::PumpCall<decltype(work), decltype(to_js)>::start(
        info.Env(), {job, info.This().As<Napi::Object>()}, work, to_js);
  }

  Napi::ObjectReference options_;
  DomainSendPump pump_;
};

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports["abiVersion"] = Napi::Number::New(env, kAbiVersion);
  exports["Cancel"] = CancelHandle::define(env);
  exports["Host"] = HostHandle::define(env);
  exports["Domain"] = DomainHandle::define(env);
  exports["Sender"] = Sender::define(env);
  exports["Memory"] = MemoryHandle::define(env);
  exports["PvSource"] = PvSourceHandle::define(env);
  exports["PvMemory"] = PvMemoryHandle::define(env);
  return exports;
}

}  // namespace
}  // namespace xenferry::xen

// The macro pastes its second argument into a name, so the function must have a plain one.
static Napi::Object init_xen(Napi::Env env, Napi::Object exports) {
  return xenferry::xen::init(env, exports);
}

NODE_API_MODULE(xen, init_xen)
