#include "domain_pv.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "hypercall_memory.h"

namespace xenferry::xen {

namespace {

// XEN_DOMCTL_*, and the part of each one's structure that is used here. Source: public/domctl.h.
constexpr std::uint32_t kSetAddressSize = 35;
constexpr std::uint32_t kSetExtendedContext = 42;
constexpr std::uint32_t kGetExtendedContext = 43;
constexpr std::uint32_t kSetXsave = 62;
constexpr std::uint32_t kGetXsave = 63;
constexpr std::uint32_t kGetMsrs = 72;
constexpr std::uint32_t kSetMsrs = 73;

struct AddressSize {
  std::uint32_t bits;
};

// What is in X86_PV_VCPU_EXTENDED as a whole, `vcpu_id` and `size` included.
struct ExtendedContext {
  std::uint32_t vcpu_id;
  std::uint32_t size;
  std::uint8_t rest[120];
};
static_assert(sizeof(ExtendedContext) == 128);

struct Xsave {
  std::uint32_t vcpu_id;
  std::uint32_t padding;
  std::uint64_t features;
  std::uint64_t size;
  std::uint64_t buffer;
};
static_assert(sizeof(Xsave) == 32);

struct Msrs {
  std::uint32_t vcpu_id;
  std::uint32_t count;
  std::uint64_t buffer;
};
static_assert(sizeof(Msrs) == 16);

// xen_domctl_vcpu_msr
constexpr std::size_t kVcpuMsrBytes = 16;

// What libxenctrl copies of a vCPU's context, whatever its width.
constexpr std::size_t kAnyContextBytes = kVcpu64.size;

template <typename Operation>
Operation result_of(const Domctl& domctl) {
  Operation operation;
  std::memcpy(&operation, domctl.operation, sizeof operation);
  return operation;
}

Octets octets_of(engine::ConstBytes bytes) { return {bytes.begin(), bytes.end()}; }

pump::Failure refused(const char* call, std::uint32_t vcpu_id) {
  const auto error_number = static_cast<std::uint64_t>(errno);
  return pump::Failure{"GUEST_STATE", {{call, error_number}, {"vcpuId", vcpu_id}}};
}

}  // namespace

ForeignPages map_whole(const Host& host, std::uint32_t domid, int protection,
                       std::span<const FrameWord> frames) {
  std::vector<int> errors(frames.size());
  ForeignPages pages{host, domid, protection, frames, errors};
  for (std::size_t entry = 0; entry < frames.size(); ++entry) {
    if (errors[entry] == 0) continue;
    throw pump::Failure{
        "GUEST_HOST_CALL",
        {{"unmappedMfn", frames[entry]}, {"errno", static_cast<std::uint64_t>(-errors[entry])}}};
  }
  return pages;
}

template <typename Operation>
Domctl PvDomain::control(std::uint32_t command, const Operation& operation) const {
  Domctl domctl{.command = command,
                .interface_version = 0,
                .domid = static_cast<std::uint16_t>(domain_.domid()),
                .padding = {},
                .operation = {}};
  std::memcpy(domctl.operation, &operation, sizeof operation);
  const Host& host = domain_.host();
  if (host.functions().domctl(host.control(), &domctl) != 0) throw call_failure("xc_domctl");
  return domctl;
}

PvWidth PvDomain::width() const {
  const Host& host = domain_.host();
  unsigned width = 0;
  if (host.functions().guest_width(host.control(), domain_.domid(), &width) != 0) {
    throw call_failure("xc_domain_get_guest_width");
  }
  return width == word_bytes(PvWidth::k32) ? PvWidth::k32 : PvWidth::k64;
}

void PvDomain::set_width(PvWidth width) const {
  control(kSetAddressSize, AddressSize{static_cast<std::uint32_t>(8 * word_bytes(width))});
}

ForeignPages PvDomain::map_shared_info(int protection) const {
  const FrameWord frames[] = {shared_info_mfn()};
  return map_whole(domain_.host(), domain_.domid(), protection, frames);
}

std::optional<VcpuState> PvDomain::vcpu(std::uint32_t vcpu_id, PvWidth width) const {
  const Host& host = domain_.host();
  VcpuInfo info{};
  if (host.functions().vcpu_get_info(host.control(), domain_.domid(), vcpu_id, &info) != 0) {
    throw call_failure("xc_vcpu_getinfo");
  }
  if (info.is_online == 0) return std::nullopt;
  return VcpuState{basic_state(vcpu_id, width), extended_state(vcpu_id), xsave_state(vcpu_id),
                   msr_state(vcpu_id)};
}

Octets PvDomain::basic_state(std::uint32_t vcpu_id, PvWidth width) const {
  const Host& host = domain_.host();
  Octets context(kAnyContextBytes);
  if (host.functions().vcpu_get_context(host.control(), domain_.domid(), vcpu_id, context.data()) !=
      0) {
    throw call_failure("xc_vcpu_getcontext");
  }
  context.resize(vcpu_layout(width).size);
  return context;
}

Octets PvDomain::extended_state(std::uint32_t vcpu_id) const {
  const Domctl domctl = control(kGetExtendedContext, ExtendedContext{vcpu_id, 0, {}});
  const auto size = result_of<ExtendedContext>(domctl).size;
  return octets_of(engine::ConstBytes(domctl.operation)
                       .first(std::min<std::size_t>(size, sizeof(ExtendedContext))));
}

Octets PvDomain::xsave_state(std::uint32_t vcpu_id) const {
  Xsave asked = result_of<Xsave>(control(kGetXsave, Xsave{vcpu_id, 0, 0, 0, 0}));
  if (asked.features == 0) return {};
  const HypercallMemory memory{domain_.host(), asked.size};
  asked.buffer = memory.address();
  const std::size_t size = result_of<Xsave>(control(kGetXsave, asked)).size;
  return octets_of(memory.bytes().first(std::min(size, memory.bytes().size())));
}

Octets PvDomain::msr_state(std::uint32_t vcpu_id) const {
  Msrs asked = result_of<Msrs>(control(kGetMsrs, Msrs{vcpu_id, 0, 0}));
  if (asked.count == 0) return {};
  const HypercallMemory memory{domain_.host(), asked.count * kVcpuMsrBytes};
  asked.buffer = memory.address();
  const std::size_t size = result_of<Msrs>(control(kGetMsrs, asked)).count * kVcpuMsrBytes;
  return octets_of(memory.bytes().first(std::min(size, memory.bytes().size())));
}

void PvDomain::set_vcpu(std::uint32_t vcpu_id, const VcpuState& state) const {
  const Host& host = domain_.host();
  Octets context = state.basic;
  context.resize(kAnyContextBytes);
  if (host.functions().vcpu_set_context(host.control(), domain_.domid(), vcpu_id, context.data()) !=
      0) {
    throw refused("setContextErrno", vcpu_id);
  }
  if (!state.extended.empty()) {
    ExtendedContext extended{};
    std::memcpy(&extended, state.extended.data(), std::min(state.extended.size(), sizeof extended));
    extended.vcpu_id = vcpu_id;
    control(kSetExtendedContext, extended);
  }
  if (!state.xsave.empty()) {
    const HypercallMemory memory{host, state.xsave.size()};
    std::ranges::copy(state.xsave, memory.bytes().begin());
    control(kSetXsave, Xsave{vcpu_id, 0, 0, state.xsave.size(), memory.address()});
  }
  if (!state.msrs.empty()) {
    const HypercallMemory memory{host, state.msrs.size()};
    std::ranges::copy(state.msrs, memory.bytes().begin());
    const auto count = static_cast<std::uint32_t>(state.msrs.size() / kVcpuMsrBytes);
    control(kSetMsrs, Msrs{vcpu_id, count, memory.address()});
  }
}

void PvDomain::pin(std::span<PinOperation> operations) const {
  const Host& host = domain_.host();
  if (host.functions().mmuext_op(host.control(), operations.data(),
                                 static_cast<unsigned>(operations.size()), domain_.domid()) != 0) {
    throw call_failure("xc_mmuext_op");
  }
}

}  // namespace xenferry::xen
