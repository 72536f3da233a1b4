#pragma once

#include <napi.h>

#include "../pump/js.h"
#include "source_pv.h"

namespace xenferry::xen {

// new PvSource(domain): what a PV domain's frames are translated by while it is saved. Every member
// but `load` must come after that one succeeded; each returns { value } or { failure }.
class PvSourceHandle : public Napi::ObjectWrap<PvSourceHandle> {
 public:
  explicit PvSourceHandle(const pump::Info& info);
  static Napi::Function define(Napi::Env env);
  // Null where `value` is undefined.
  static const PvSource* of(const Napi::Value& value);

 private:
  Napi::Value load(const pump::Info& info);
  Napi::Value width(const pump::Info& info);
  Napi::Value p2m_pfns(const pump::Info& info);
  Napi::Value pfn_count(const pump::Info& info);
  Napi::Value has_moved(const pump::Info& info);
  Napi::Value shared_info(const pump::Info& info);
  Napi::Value vcpu_count(const pump::Info& info);
  Napi::Value vcpu(const pump::Info& info);

  Napi::ObjectReference domain_;
  std::unique_ptr<PvSource> source_;
};

}  // namespace xenferry::xen
