#include "domain_handle.h"

#include <stdexcept>

namespace xenferry::xen {
namespace {

using pump::bytes_of;
using pump::whole;

std::uint32_t number_at(const Info& info, std::size_t index) {
  return info[index].As<Napi::Number>().Uint32Value();
}

std::uint64_t bigint_of(const Napi::Value& value) {
  bool is_lossless = true;
  return value.As<Napi::BigInt>().Uint64Value(&is_lossless);
}

Napi::Value octets_to_js(Napi::Env env, const Octets& octets) {
  auto array = Napi::Uint8Array::New(env, octets.size());
  std::copy(octets.begin(), octets.end(), array.Data());
  return array;
}

Octets octets_of(const Napi::Value& value) {
  const engine::Bytes bytes = bytes_of(value);
  return {bytes.begin(), bytes.end()};
}

Napi::Number number(Napi::Env env, std::uint64_t value) {
  return Napi::Number::New(env, static_cast<double>(value));
}

// A call without a result.
template <typename Work>
Napi::Object done(const Info& info, Work work) {
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    work();
    return info.Env().Undefined();
  });
}

// A call that takes a while, on a thread of its own.
template <typename Work, typename ToJs>
Napi::Value start(const Info& info, std::vector<Napi::Object> used, Work work, ToJs to_js) {
  used.push_back(info.This().As<Napi::Object>());
  return pump::PumpCall<Work, ToJs>::start(info.Env(), std::move(used), work, to_js);
}

}  // namespace

HostHandle::HostHandle(const Info& info) : ObjectWrap(info) {
  try {
    host_ = std::make_unique<Host>(info[0].As<Napi::String>().Utf8Value());
  } catch (const std::runtime_error& error) {
    throw Napi::Error::New(info.Env(), error.what());
  }
}

Napi::Function HostHandle::define(Napi::Env env) {
  return DefineClass(env, "Host",
                     {InstanceMethod<&HostHandle::xen_version>("xenVersion"),
                      InstanceMethod<&HostHandle::library_minor>("libraryMinor")});
}

Napi::Value HostHandle::xen_version(const Info& info) {
  return outcome_of(info.Env(),
                    [&]() -> Napi::Value { return number(info.Env(), host_->xen_version()); });
}

Napi::Value HostHandle::library_minor(const Info& info) {
  return Napi::Number::New(info.Env(), host_->library_minor());
}

DomainHandle::DomainHandle(const Info& info)
    : ObjectWrap(info),
      host_(Napi::Persistent(info[0].As<Napi::Object>())),
      domain_(HostHandle::of(info[0]), number_at(info, 1)) {}

Napi::Function DomainHandle::define(Napi::Env env) {
  return DefineClass(env, "Domain",
                     {
                         InstanceMethod<&DomainHandle::info>("info"),
                         InstanceMethod<&DomainHandle::frame_count>("frameCount"),
                         InstanceMethod<&DomainHandle::pci_device_count>("pciDeviceCount"),
                         InstanceMethod<&DomainHandle::enable_log_dirty>("enableLogDirty"),
                         InstanceMethod<&DomainHandle::disable_log_dirty>("disableLogDirty"),
                         InstanceMethod<&DomainHandle::read_dirty>("readDirty"),
                         InstanceMethod<&DomainHandle::cpu_policies>("cpuPolicies"),
                         InstanceMethod<&DomainHandle::set_cpu_policies>("setCpuPolicies"),
                         InstanceMethod<&DomainHandle::tsc_info>("tscInfo"),
                         InstanceMethod<&DomainHandle::set_tsc_info>("setTscInfo"),
                         InstanceMethod<&DomainHandle::hvm_context>("hvmContext"),
                         InstanceMethod<&DomainHandle::set_hvm_context>("setHvmContext"),
                         InstanceMethod<&DomainHandle::hvm_param>("hvmParam"),
                         InstanceMethod<&DomainHandle::set_hvm_param>("setHvmParam"),
                         InstanceMethod<&DomainHandle::clear_page>("clearPage"),
                         InstanceMethod<&DomainHandle::clear_console>("clearConsole"),
                         InstanceMethod<&DomainHandle::seed_grants>("seedGrants"),
                     });
}

Napi::Value DomainHandle::info(const Info& info) {
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    const DomainInfo known = domain_.info();
    auto object = Napi::Object::New(info.Env());
    object["isHvm"] = Napi::Boolean::New(info.Env(), (known.flags & kDomainIsHvm) != 0);
    object["isShutdown"] = Napi::Boolean::New(info.Env(), (known.flags & kDomainIsShutdown) != 0);
    object["shutdownReason"] =
        number(info.Env(), known.flags >> kShutdownReasonShift & kShutdownReasonMask);
    object["totalPages"] = number(info.Env(), known.total_pages);
    object["vcpus"] = number(info.Env(), known.online_vcpus);
    object["maxPages"] = number(info.Env(), known.max_pages);
    return object;
  });
}

Napi::Value DomainHandle::frame_count(const Info& info) {
  return outcome_of(info.Env(),
                    [&]() -> Napi::Value { return number(info.Env(), domain_.frame_count()); });
}

Napi::Value DomainHandle::pci_device_count(const Info& info) {
  return number(info.Env(), domain_.pci_device_count());
}

Napi::Value DomainHandle::enable_log_dirty(const Info& info) {
  const auto work = [this] {
    domain_.enable_log_dirty();
    return 0;
  };
  return start(info, {}, work, [](Napi::Env env, int) { return env.Undefined(); });
}

Napi::Value DomainHandle::disable_log_dirty(const Info& info) {
  const auto work = [this] {
    domain_.disable_log_dirty();
    return 0;
  };
  return start(info, {}, work, [](Napi::Env env, int) { return env.Undefined(); });
}

// readDirty({ mode: "peek" | "clean" | "final", frameCount, out }): pages dirty.
Napi::Value DomainHandle::read_dirty(const Info& info) {
  const auto job = info[0].As<Napi::Object>();
  const std::string mode = job.Get("mode").As<Napi::String>().Utf8Value();
  const std::uint64_t frame_count = whole(job, "frameCount");
  const engine::Bytes out = bytes_of(job.Get("out"));
  if (out.size() < (frame_count + 63) / 64 * 8) {
    throw Napi::RangeError::New(info.Env(), "out: whole words, a bit for each frame");
  }
  const LogDirtyOp op = mode == "peek" ? LogDirtyOp::kPeek : LogDirtyOp::kClean;
  const auto work = [this, op, is_final = mode == "final", frame_count, out] {
    return domain_.read_dirty(op, is_final, frame_count, out);
  };
  return start(info, {job}, work, &number);
}

Napi::Value DomainHandle::cpu_policies(const Info& info) {
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    const CpuPolicies policies = domain_.cpu_policies();
    auto object = Napi::Object::New(info.Env());
    object["cpuid"] = octets_to_js(info.Env(), policies.cpuid_leaves);
    object["msr"] = octets_to_js(info.Env(), policies.msr_entries);
    return object;
  });
}

// setCpuPolicies(cpuid, msr)
Napi::Value DomainHandle::set_cpu_policies(const Info& info) {
  return done(info, [&] { domain_.set_cpu_policies({octets_of(info[0]), octets_of(info[1])}); });
}

Napi::Value DomainHandle::tsc_info(const Info& info) {
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    const TscInfo tsc = domain_.tsc_info();
    auto object = Napi::Object::New(info.Env());
    object["mode"] = number(info.Env(), tsc.mode);
    object["khz"] = number(info.Env(), tsc.khz);
    object["nsec"] = Napi::BigInt::New(info.Env(), tsc.nsec);
    object["incarnation"] = number(info.Env(), tsc.incarnation);
    return object;
  });
}

Napi::Value DomainHandle::set_tsc_info(const Info& info) {
  const auto object = info[0].As<Napi::Object>();
  const TscInfo tsc = {
      .mode = static_cast<std::uint32_t>(whole(object, "mode")),
      .khz = static_cast<std::uint32_t>(whole(object, "khz")),
      .nsec = bigint_of(object.Get("nsec")),
      .incarnation = static_cast<std::uint32_t>(whole(object, "incarnation")),
  };
  return done(info, [&] { domain_.set_tsc_info(tsc); });
}

Napi::Value DomainHandle::hvm_context(const Info& info) {
  return outcome_of(info.Env(), [&] { return octets_to_js(info.Env(), domain_.hvm_context()); });
}

Napi::Value DomainHandle::set_hvm_context(const Info& info) {
  return done(info, [&] { domain_.set_hvm_context(bytes_of(info[0])); });
}

Napi::Value DomainHandle::hvm_param(const Info& info) {
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    return Napi::BigInt::New(info.Env(), domain_.hvm_param(number_at(info, 0)));
  });
}

Napi::Value DomainHandle::set_hvm_param(const Info& info) {
  return done(info, [&] { domain_.set_hvm_param(number_at(info, 0), bigint_of(info[1])); });
}

Napi::Value DomainHandle::clear_page(const Info& info) {
  return done(info, [&] { domain_.clear_page(bigint_of(info[0])); });
}

Napi::Value DomainHandle::clear_console(const Info& info) {
  return done(info, [&] { domain_.clear_console(bigint_of(info[0])); });
}

// seedGrants({ isHvm, consoleGfn, storeGfn, consoleDomid, storeDomid })
Napi::Value DomainHandle::seed_grants(const Info& info) {
  const auto object = info[0].As<Napi::Object>();
  const GrantSeeds seeds = {
      .console_gfn = bigint_of(object.Get("consoleGfn")),
      .store_gfn = bigint_of(object.Get("storeGfn")),
      .console_domid = static_cast<std::uint32_t>(whole(object, "consoleDomid")),
      .store_domid = static_cast<std::uint32_t>(whole(object, "storeDomid")),
  };
  const bool is_hvm = object.Get("isHvm").As<Napi::Boolean>().Value();
  return done(info, [&] { domain_.seed_grants(is_hvm, seeds); });
}

}  // namespace xenferry::xen
