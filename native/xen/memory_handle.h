// Memory of domains under construction as JavaScript sees it.
#pragma once

#include <napi.h>

#include "../pump/js.h"
#include "memory.h"
#include "memory_pv.h"

namespace xenferry::xen {

// A receive({ fd, offset, type, bodyBytes, verifies, threadCount, cancel }) into `memory`, which
// `owner` keeps: a promise of what pump::received_to_js says.
Napi::Value start_receive(const pump::Info& info, Napi::Object owner, DomainMemory& memory);

// new Memory(domain): of an HVM or PVH domain.
class MemoryHandle : public Napi::ObjectWrap<MemoryHandle> {
 public:
  explicit MemoryHandle(const pump::Info& info);
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value receive(const pump::Info& info);
  Napi::Value mismatches(const pump::Info& info);

  Napi::ObjectReference domain_;
  HvmMemory memory_;
};

// new PvMemory(domain): of a PV domain, which has a width from X86_PV_INFO on. Every member but
// `mismatches` returns, or resolves with, { value } or { failure }.
class PvMemoryHandle : public Napi::ObjectWrap<PvMemoryHandle> {
 public:
  explicit PvMemoryHandle(const pump::Info& info);
  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value set_width(const pump::Info& info);
  Napi::Value set_p2m_frames(const pump::Info& info);
  Napi::Value restore_shared_info(const pump::Info& info);
  Napi::Value receive(const pump::Info& info);
  Napi::Value mismatches(const pump::Info& info);
  Napi::Value complete(const pump::Info& info);
  PvMemory& memory() const;

  Napi::ObjectReference domain_;
  std::unique_ptr<PvMemory> memory_;
};

}  // namespace xenferry::xen
