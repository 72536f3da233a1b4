#include "domain.h"

#include <array>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace xenferry::xen {
namespace {

void expect_zero(int result, const char* call) {
  if (result != 0) throw call_failure(call);
}

// Bits that calls of 4.14 and since take in the same place.
unsigned op_of(LogDirtyOp op) { return static_cast<unsigned>(op); }

CpuPolicies trimmed(CpuPolicies policies, std::uint32_t leaf_count, std::uint32_t msr_count) {
  policies.cpuid_leaves.resize(leaf_count * kCpuidLeafBytes);
  policies.msr_entries.resize(msr_count * kMsrEntryBytes);
  return policies;
}

}  // namespace

DomainInfo Domain::info() const {
  std::array<std::uint8_t, kDomainInfoBytesMax> room{};
  const int found = host_.functions().get_info_list(host_.control(), domid_, 1, room.data());
  if (found < 0) throw call_failure("xc_domain_getinfolist");
  DomainInfo info;
  std::memcpy(&info, room.data(), sizeof info);
  if (found == 0 || info.domid != domid_) {
    throw pump::Failure{"GUEST_LOST", {{"domid", domid_}}};
  }
  return info;
}

std::uint64_t Domain::frame_count() const {
  FrameWord count = 0;
  if (host_.functions().nr_gpfns(host_.control(), domid_, &count) < 0) {
    throw call_failure("xc_domain_nr_gpfns");
  }
  return count;
}

unsigned Domain::pci_device_count() const {
  const Functions& call = host_.functions();
  StoreHandle* const store = call.store_open == nullptr ? nullptr : call.store_open(0);
  if (store == nullptr) return 0;
  const std::string path = "/local/domain/0/backend/pci/" + std::to_string(domid_) + "/0/num_devs";
  unsigned length = 0;
  char* const text = static_cast<char*>(call.store_read(store, 0, path.c_str(), &length));
  const unsigned long count = text == nullptr ? 0 : std::strtoul(text, nullptr, 10);
  std::free(text);
  call.store_close(store);
  return static_cast<unsigned>(count);
}

void Domain::shadow(LogDirtyOp op, const char* name) const {
  const Functions& call = host_.functions();
  const int result = call.shadow_control_4_16 != nullptr
                         ? call.shadow_control_4_16(host_.control(), domid_, op_of(op), nullptr, 0)
                         : call.shadow_control_4_14(host_.control(), domid_, op_of(op), nullptr, 0,
                                                    nullptr, 0, nullptr);
  if (result < 0) throw call_failure(name);
}

// Where something else (tracking of video memory) has the mode, it is switched off and on.
// Source: xg_sr_save.c, enable_logdirty.
void Domain::enable_log_dirty() const {
  try {
    shadow(LogDirtyOp::kEnable, "XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY");
  } catch (const pump::Failure& first) {
    try {
      disable_log_dirty();
    } catch (const pump::Failure&) {
      throw first;
    }
    shadow(LogDirtyOp::kEnable, "XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY");
  }
}

void Domain::disable_log_dirty() const { shadow(LogDirtyOp::kOff, "XEN_DOMCTL_SHADOW_OP_OFF"); }

std::uint64_t Domain::read_dirty(LogDirtyOp op, bool is_final, std::uint64_t frame_count,
                                 engine::Bytes out) {
  if (dirty_ == nullptr) dirty_ = std::make_unique<BitmapBuffer>(host_, frame_count);
  const Functions& call = host_.functions();
  const unsigned mode = is_final ? kLogDirtyFinal : 0;
  LogDirtyStatistics statistics{};
  const long long pages =
      call.logdirty_control != nullptr
          ? call.logdirty_control(host_.control(), domid_, op_of(op), dirty_->get(), frame_count,
                                  mode, &statistics)
          : call.shadow_control_4_14(host_.control(), domid_, op_of(op), dirty_->get(), frame_count,
                                     nullptr, mode, &statistics);
  if (pages < 0) throw call_failure("XEN_DOMCTL_SHADOW_OP_CLEAN");
  if (static_cast<std::uint64_t>(pages) != frame_count) {
    throw pump::Failure{
        "GUEST_HOST_CALL",
        {{"dirtyFrames", static_cast<std::uint64_t>(pages)}, {"frameCount", frame_count}}};
  }
  std::uint64_t dirty_pages = 0;
  std::uint8_t* at = out.data();
  for (const std::uint64_t word : dirty_->words()) {
    dirty_pages += static_cast<std::uint64_t>(std::popcount(word));
    if (word != 0) engine::store_u64(at, engine::load_u64(at) | word);
    at += sizeof word;
  }
  return dirty_pages;
}

CpuPolicies Domain::cpu_policies() const {
  std::uint32_t leaf_count = 0;
  std::uint32_t msr_count = 0;
  expect_zero(host_.functions().policy_size(host_.control(), &leaf_count, &msr_count),
              "xc_cpu_policy_get_size");
  CpuPolicies room = trimmed({}, leaf_count, msr_count);
  return host_.functions().policy_init != nullptr ? policies_4_16(std::move(room))
                                                  : policies_4_14(std::move(room));
}

CpuPolicies Domain::policies_4_14(CpuPolicies room) const {
  auto leaf_count = static_cast<std::uint32_t>(room.cpuid_leaves.size() / kCpuidLeafBytes);
  auto msr_count = static_cast<std::uint32_t>(room.msr_entries.size() / kMsrEntryBytes);
  expect_zero(host_.functions().get_policy_4_14(host_.control(), domid_, &leaf_count,
                                                room.cpuid_leaves.data(), &msr_count,
                                                room.msr_entries.data()),
              "xc_get_domain_cpu_policy");
  return trimmed(std::move(room), leaf_count, msr_count);
}

CpuPolicies Domain::policies_4_16(CpuPolicies room) const {
  const Functions& call = host_.functions();
  const auto destroy = [&](CpuPolicy* policy) { call.policy_destroy(policy); };
  const std::unique_ptr<CpuPolicy, decltype(destroy)> policy{call.policy_init(), destroy};
  if (policy == nullptr) throw call_failure("xc_cpu_policy_init");
  expect_zero(call.policy_get_domain(host_.control(), domid_, policy.get()),
              "xc_cpu_policy_get_domain");
  auto leaf_count = static_cast<std::uint32_t>(room.cpuid_leaves.size() / kCpuidLeafBytes);
  auto msr_count = static_cast<std::uint32_t>(room.msr_entries.size() / kMsrEntryBytes);
  expect_zero(call.policy_serialise(host_.control(), policy.get(), room.cpuid_leaves.data(),
                                    &leaf_count, room.msr_entries.data(), &msr_count),
              "xc_cpu_policy_serialise");
  return trimmed(std::move(room), leaf_count, msr_count);
}

void Domain::set_cpu_policies(const CpuPolicies& policies) const {
  std::uint32_t bad_leaf = ~0u;
  std::uint32_t bad_subleaf = ~0u;
  std::uint32_t bad_msr = ~0u;
  const auto leaf_count = policies.cpuid_leaves.size() / kCpuidLeafBytes;
  const auto msr_count = policies.msr_entries.size() / kMsrEntryBytes;
  const int result = host_.functions().set_policy(
      host_.control(), domid_, static_cast<std::uint32_t>(leaf_count), policies.cpuid_leaves.data(),
      static_cast<std::uint32_t>(msr_count), policies.msr_entries.data(), &bad_leaf, &bad_subleaf,
      &bad_msr);
  if (result == 0) return;
  throw pump::Failure{"GUEST_STATE",
                      {{"errno", static_cast<std::uint64_t>(errno)},
                       {"cpuidLeaf", bad_leaf},
                       {"cpuidSubleaf", bad_subleaf},
                       {"msr", bad_msr}}};
}

TscInfo Domain::tsc_info() const {
  TscInfo info{};
  expect_zero(host_.functions().get_tsc_info(host_.control(), domid_, &info.mode, &info.nsec,
                                             &info.khz, &info.incarnation),
              "xc_domain_get_tsc_info");
  return info;
}

void Domain::set_tsc_info(const TscInfo& info) const {
  expect_zero(host_.functions().set_tsc_info(host_.control(), domid_, info.mode, info.nsec,
                                             info.khz, info.incarnation),
              "xc_domain_set_tsc_info");
}

Octets Domain::hvm_context() const {
  const auto get = host_.functions().get_hvm_context;
  const int size = get(host_.control(), domid_, nullptr, 0);
  if (size < 0) throw call_failure("xc_domain_hvm_getcontext");
  Octets context(static_cast<std::size_t>(size));
  const int taken = get(host_.control(), domid_, context.data(), static_cast<std::uint32_t>(size));
  if (taken < 0) throw call_failure("xc_domain_hvm_getcontext");
  context.resize(static_cast<std::size_t>(taken));
  return context;
}

void Domain::set_hvm_context(std::span<const std::uint8_t> context) const {
  const int result = host_.functions().set_hvm_context(host_.control(), domid_, context.data(),
                                                       static_cast<std::uint32_t>(context.size()));
  if (result < 0) throw call_failure("xc_domain_hvm_setcontext");
}

std::uint64_t Domain::hvm_param(std::uint32_t index) const {
  std::uint64_t value = 0;
  expect_zero(host_.functions().get_hvm_param(host_.control(), domid_, index, &value),
              "xc_hvm_param_get");
  return value;
}

void Domain::set_hvm_param(std::uint32_t index, std::uint64_t value) const {
  const int result = host_.functions().set_hvm_param(host_.control(), domid_, index, value);
  if (result >= 0) return;
  throw pump::Failure{
      "GUEST_STATE",
      {{"errno", static_cast<std::uint64_t>(errno)}, {"hvmParam", index}, {"value", value}}};
}

void Domain::clear_page(std::uint64_t gfn) const {
  expect_zero(host_.functions().clear_pages(host_.control(), domid_, gfn, 1),
              "xc_clear_domain_pages");
}

void Domain::clear_console(std::uint64_t gfn) const {
  const auto init = host_.functions().init_console;
  if (init == nullptr) return clear_page(gfn);
  expect_zero(init(host_.control(), domid_, gfn), "xc_dom_console_init");
}

void Domain::seed_grants(bool is_hvm, const GrantSeeds& seeds) const {
  expect_zero(
      host_.functions().seed_grants(host_.control(), domid_, is_hvm, seeds.console_gfn,
                                    seeds.store_gfn, seeds.console_domid, seeds.store_domid),
      "xc_dom_gnttab_seed");
}

}  // namespace xenferry::xen
