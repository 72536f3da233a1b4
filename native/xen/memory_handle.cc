#include "memory_handle.h"

#include "../engine/dispatch.h"
#include "../pump/receive.h"
#include "domain_handle.h"

namespace xenferry::xen {

namespace {

using pump::bytes_of;
using pump::whole;

Octets octets_at(const Napi::Object& object, const char* name) {
  const engine::Bytes bytes = bytes_of(object.Get(name));
  return {bytes.begin(), bytes.end()};
}

StreamVcpu vcpu_of(const Napi::Object& object) {
  return {static_cast<std::uint32_t>(whole(object, "vcpuId")),
          {octets_at(object, "basic"), octets_at(object, "extended"), octets_at(object, "xsave"),
           octets_at(object, "msrs")}};
}

PvEnding ending_of(const Napi::Object& object) {
  PvEnding ending{{},
                  static_cast<std::uint32_t>(whole(object, "storeEvtchn")),
                  static_cast<std::uint32_t>(whole(object, "consoleEvtchn"))};
  const auto vcpus = object.Get("vcpus").As<Napi::Array>();
  for (std::uint32_t index = 0; index < vcpus.Length(); ++index) {
    ending.vcpus.push_back(vcpu_of(vcpus.Get(index).As<Napi::Object>()));
  }
  return ending;
}

}  // namespace

Napi::Value start_receive(const Info& info, Napi::Object owner, DomainMemory& memory) {
  const auto job = info[0].As<Napi::Object>();
  const int fd = pump::fd_of(job, "fd");
  const std::uint64_t offset = whole(job, "offset");
  const pump::RecordHeader first = {static_cast<std::uint32_t>(whole(job, "type")),
                                    static_cast<std::uint32_t>(whole(job, "bodyBytes"))};
  const std::size_t thread_count = whole(job, "threadCount");
  const pump::Counters counters = pump::counters_of(job);
  const pump::Cancel& cancel = pump::CancelHandle::of(job.Get("cancel"));
  const bool verifies = job.Get("verifies").As<Napi::Boolean>().Value();
  memory.set_mode(verifies ? DomainMemory::Mode::kVerify : DomainMemory::Mode::kStore);
  const auto work = [=, &memory, &cancel]() -> pump::ReceivedFrom {
    pump::Inlet inlet{fd, cancel, counters};
    pump::StreamSource stream{inlet};
    pump::ReceivePump receiver{stream, memory, engine::native_operations(), offset, counters};
    return {receiver.run(first, thread_count)};
  };
  return pump::PumpCall<decltype(work), decltype(&pump::received_to_js)>::start(
      info.Env(), {job, owner}, work, &pump::received_to_js);
}

MemoryHandle::MemoryHandle(const Info& info)
    : ObjectWrap(info),
      domain_(Napi::Persistent(info[0].As<Napi::Object>())),
      memory_(DomainHandle::of(info[0])) {}

Napi::Function MemoryHandle::define(Napi::Env env) {
  return DefineClass(env, "Memory",
                     {InstanceMethod<&MemoryHandle::receive>("receive"),
                      InstanceMethod<&MemoryHandle::mismatches>("mismatches")});
}

Napi::Value MemoryHandle::receive(const Info& info) {
  return start_receive(info, info.This().As<Napi::Object>(), memory_);
}

Napi::Value MemoryHandle::mismatches(const Info& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(memory_.mismatches()));
}

PvMemoryHandle::PvMemoryHandle(const Info& info)
    : ObjectWrap(info), domain_(Napi::Persistent(info[0].As<Napi::Object>())) {}

Napi::Function PvMemoryHandle::define(Napi::Env env) {
  return DefineClass(env, "PvMemory",
                     {
                         InstanceMethod<&PvMemoryHandle::set_width>("setWidth"),
                         InstanceMethod<&PvMemoryHandle::set_p2m_frames>("setP2mFrames"),
                         InstanceMethod<&PvMemoryHandle::restore_shared_info>("restoreSharedInfo"),
                         InstanceMethod<&PvMemoryHandle::receive>("receive"),
                         InstanceMethod<&PvMemoryHandle::mismatches>("mismatches"),
                         InstanceMethod<&PvMemoryHandle::complete>("complete"),
                     });
}

// The records that need a width come after the one that says it.
PvMemory& PvMemoryHandle::memory() const {
  if (memory_ == nullptr) throw pump::Failure{"ORDER_DEPENDENCY"};
  return *memory_;
}

// setWidth(4 | 8)
Napi::Value PvMemoryHandle::set_width(const Info& info) {
  const auto width = static_cast<PvWidth>(info[0].As<Napi::Number>().Uint32Value());
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    memory_ = std::make_unique<PvMemory>(DomainHandle::of(domain_.Value()), width);
    return info.Env().Undefined();
  });
}

// setP2mFrames({ startPfn, endPfn, p2mPfns })
Napi::Value PvMemoryHandle::set_p2m_frames(const Info& info) {
  const auto record = info[0].As<Napi::Object>();
  const auto pfns = record.Get("p2mPfns").As<Napi::BigUint64Array>();
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    memory().set_p2m_frames(static_cast<std::uint32_t>(whole(record, "startPfn")),
                            static_cast<std::uint32_t>(whole(record, "endPfn")),
                            {pfns.Data(), pfns.ElementLength()});
    return info.Env().Undefined();
  });
}

// restoreSharedInfo(page): of 4096 octets.
Napi::Value PvMemoryHandle::restore_shared_info(const Info& info) {
  const engine::Bytes page = bytes_of(info[0]);
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    memory().restore_shared_info(page.first<kPageBytes>());
    return info.Env().Undefined();
  });
}

Napi::Value PvMemoryHandle::receive(const Info& info) {
  return start_receive(info, info.This().As<Napi::Object>(), memory());
}

Napi::Value PvMemoryHandle::mismatches(const Info& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(memory().mismatches()));
}

// complete({ vcpus, storeEvtchn, consoleEvtchn }): resolves with { storeGfn, consoleGfn }.
Napi::Value PvMemoryHandle::complete(const Info& info) {
  const auto job = info[0].As<Napi::Object>();
  const auto work = [this, ending = ending_of(job)] { return memory().complete(ending); };
  const auto to_js = [](Napi::Env env, StartInfoFrames rings) {
    auto object = Napi::Object::New(env);
    object["storeGfn"] = Napi::BigInt::New(env, rings.store);
    object["consoleGfn"] = Napi::BigInt::New(env, rings.console);
    return object;
  };
  return pump::PumpCall<decltype(work), decltype(to_js)>::start(
      info.Env(), {job, info.This().As<Napi::Object>()}, work, to_js);
}

}  // namespace xenferry::xen
