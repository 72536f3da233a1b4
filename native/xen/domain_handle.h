// Domains as JavaScript sees them.
#pragma once

#include <napi.h>

#include "../pump/async.h"
#include "../pump/js.h"
#include "domain.h"

namespace xenferry::xen {

using pump::Info;

// { value } or { failure } of work that takes no time; `work` returns a Napi::Value.
template <typename Work>
Napi::Object outcome_of(Napi::Env env, Work work) {
  auto outcome = Napi::Object::New(env);
  try {
    outcome["value"] = work();
  } catch (const pump::Failure& failure) {
    outcome["failure"] = pump::failure_to_js(env, failure);
  }
  return outcome;
}

// new Host(folder): throws an Error whose message is the reason, for a person.
class HostHandle : public Napi::ObjectWrap<HostHandle> {
 public:
  explicit HostHandle(const Info& info);
  static Napi::Function define(Napi::Env env);
  static Host& of(const Napi::Value& value) { return *Unwrap(value.As<Napi::Object>())->host_; }

 private:
  Napi::Value xen_version(const Info& info);
  Napi::Value library_minor(const Info& info);

  std::unique_ptr<Host> host_;
};

// new Domain(host, domid). Every member returns, or resolves with, { value } or { failure }.
class DomainHandle : public Napi::ObjectWrap<DomainHandle> {
 public:
  explicit DomainHandle(const Info& info);
  static Napi::Function define(Napi::Env env);
  static Domain& of(const Napi::Value& value) { return Unwrap(value.As<Napi::Object>())->domain_; }

 private:
  Napi::Value info(const Info& info);
  Napi::Value frame_count(const Info& info);
  Napi::Value pci_device_count(const Info& info);
  Napi::Value enable_log_dirty(const Info& info);
  Napi::Value disable_log_dirty(const Info& info);
  Napi::Value read_dirty(const Info& info);
  Napi::Value cpu_policies(const Info& info);
  Napi::Value set_cpu_policies(const Info& info);
  Napi::Value tsc_info(const Info& info);
  Napi::Value set_tsc_info(const Info& info);
  Napi::Value hvm_context(const Info& info);
  Napi::Value set_hvm_context(const Info& info);
  Napi::Value hvm_param(const Info& info);
  Napi::Value set_hvm_param(const Info& info);
  Napi::Value clear_page(const Info& info);
  Napi::Value clear_console(const Info& info);
  Napi::Value seed_grants(const Info& info);

  Napi::ObjectReference host_;
  Domain domain_;
};

}  // namespace xenferry::xen
