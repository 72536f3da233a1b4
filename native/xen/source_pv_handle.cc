#include "source_pv_handle.h"

#include "domain_handle.h"

namespace xenferry::xen {

namespace {

Napi::Value octets_to_js(Napi::Env env, engine::ConstBytes octets) {
  auto array = Napi::Uint8Array::New(env, octets.size());
  std::copy(octets.begin(), octets.end(), array.Data());
  return array;
}

Napi::Value count_to_js(Napi::Env env, std::size_t count) {
  return Napi::Number::New(env, static_cast<double>(count));
}

}  // namespace

PvSourceHandle::PvSourceHandle(const Info& info)
    : ObjectWrap(info), domain_(Napi::Persistent(info[0].As<Napi::Object>())) {}

Napi::Function PvSourceHandle::define(Napi::Env env) {
  return DefineClass(env, "PvSource",
                     {
                         InstanceMethod<&PvSourceHandle::load>("load"),
                         InstanceMethod<&PvSourceHandle::width>("width"),
                         InstanceMethod<&PvSourceHandle::p2m_pfns>("p2mPfns"),
                         InstanceMethod<&PvSourceHandle::pfn_count>("pfnCount"),
                         InstanceMethod<&PvSourceHandle::has_moved>("hasMoved"),
                         InstanceMethod<&PvSourceHandle::shared_info>("sharedInfo"),
                         InstanceMethod<&PvSourceHandle::vcpu_count>("vcpuCount"),
                         InstanceMethod<&PvSourceHandle::vcpu>("vcpu"),
                     });
}

const PvSource* PvSourceHandle::of(const Napi::Value& value) {
  if (value.IsUndefined()) return nullptr;
  return Unwrap(value.As<Napi::Object>())->source_.get();
}

// load(): finds the p2m, again where it has moved.
Napi::Value PvSourceHandle::load(const Info& info) {
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    if (source_ == nullptr) {
      source_ = std::make_unique<PvSource>(DomainHandle::of(domain_.Value()));
    } else {
      source_->reload();
    }
    return info.Env().Undefined();
  });
}

Napi::Value PvSourceHandle::width(const Info& info) {
  return count_to_js(info.Env(), word_bytes(source_->width()));
}

Napi::Value PvSourceHandle::p2m_pfns(const Info& info) {
  const std::vector<Pfn>& pfns = source_->p2m_pfns();
  auto array = Napi::BigUint64Array::New(info.Env(), pfns.size());
  std::copy(pfns.begin(), pfns.end(), array.Data());
  return array;
}

Napi::Value PvSourceHandle::pfn_count(const Info& info) {
  return count_to_js(info.Env(), source_->pfn_count());
}

Napi::Value PvSourceHandle::has_moved(const Info& info) {
  return Napi::Boolean::New(info.Env(), source_->has_moved());
}

Napi::Value PvSourceHandle::shared_info(const Info& info) {
  return octets_to_js(info.Env(), source_->shared_info());
}

Napi::Value PvSourceHandle::vcpu_count(const Info& info) {
  return outcome_of(info.Env(),
                    [&] { return count_to_js(info.Env(), source_->domain().vcpu_count()); });
}

// vcpu(vcpuId): { basic, extended, xsave, msrs }, empty arrays where there is none of it; undefined
// where the vCPU is offline.
Napi::Value PvSourceHandle::vcpu(const Info& info) {
  const std::uint32_t vcpu_id = info[0].As<Napi::Number>().Uint32Value();
  return outcome_of(info.Env(), [&]() -> Napi::Value {
    const std::optional<VcpuState> state = source_->vcpu(vcpu_id);
    if (!state) return info.Env().Undefined();
    auto object = Napi::Object::New(info.Env());
    object["basic"] = octets_to_js(info.Env(), state->basic);
    object["extended"] = octets_to_js(info.Env(), state->extended);
    object["xsave"] = octets_to_js(info.Env(), state->xsave);
    object["msrs"] = octets_to_js(info.Env(), state->msrs);
    return object;
  });
}

}  // namespace xenferry::xen
