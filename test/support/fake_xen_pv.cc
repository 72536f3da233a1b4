#include "fake_xen_pv.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "../../native/xen/abi.h"
#include "../../native/xen/pv_pins.h"
#include "fake_xen.h"

namespace fake_xen {

namespace {

using xenferry::xen::Domctl;
using xenferry::xen::FrameWord;
using xenferry::xen::PinOperation;
using xenferry::xen::VcpuInfo;

std::string part(const char* name, std::uint32_t vcpu_id) {
  return std::string(name) + "-" + std::to_string(vcpu_id);
}

template <typename Value>
Value get(const std::uint8_t* from) {
  Value value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename Value>
void put(std::uint8_t* to, Value value) {
  std::memcpy(to, &value, sizeof value);
}

// A part of a vCPU whose size and buffer are in `operation`, in entries of so many octets.
template <typename Size>
void give(std::uint32_t domid, const std::string& what, std::uint8_t* size, std::uint8_t* buffer,
          std::size_t entry_bytes) {
  const auto content = read_file(domid, what);
  auto* const out = reinterpret_cast<std::uint8_t*>(get<std::uint64_t>(buffer));
  if (out != nullptr) std::memcpy(out, content.data(), content.size());
  put<Size>(size, static_cast<Size>(content.size() / entry_bytes));
}

template <typename Size>
void take(std::uint32_t domid, const std::string& what, const std::uint8_t* size,
          const std::uint8_t* buffer, std::size_t entry_bytes) {
  const auto* const in = reinterpret_cast<const std::uint8_t*>(get<std::uint64_t>(buffer));
  write_file(domid, what, in, get<Size>(size) * entry_bytes);
}

}  // namespace

bool is_pv(std::uint32_t domid) { return !read_file(domid, "width").empty(); }

int populate_pv(std::uint32_t domid, unsigned long count, std::uint64_t* pfns) {
  auto types = read_file(domid, "types");
  const int m2p = open(path_of(kXen, "ram").c_str(), O_WRONLY | O_CLOEXEC);
  for (unsigned long index = 0; index < count; ++index) {
    // The highest free frame, so that no frame is its pfn.
    const auto free = std::find(types.rbegin(), types.rend(), kXtab);
    if (free == types.rend()) return static_cast<int>(index);
    *free = 0;
    const auto mfn = static_cast<std::size_t>(types.rend() - free - 1);
    // In place: Xen's table stays mapped.
    if (pwrite(m2p, &pfns[index], 8, static_cast<off_t>(mfn * 8)) != 8) return -1;
    pfns[index] = mfn;
  }
  close(m2p);
  write_file(domid, "types", types.data(), types.size());
  return static_cast<int>(count);
}

}  // namespace fake_xen

using namespace fake_xen;

extern "C" {

int xc_domain_get_guest_width(void*, std::uint32_t domid, unsigned* width) {
  *width = static_cast<unsigned>(read_number(domid, "width"));
  return 0;
}

int xc_maximum_ram_page(void*, FrameWord* mfn) {
  *mfn = read_file(kXen, "ram").size() / 8 - 1;
  return 0;
}

int xc_machphys_mfn_list(void*, unsigned long count, FrameWord* mfns) {
  for (unsigned long index = 0; index < count; ++index) mfns[index] = index * 512;
  return 0;
}

// xen_machphys_mfn_list of one extent; the frame that 32-bit guests see is one of no domain's.
long xc_memory_op(void*, unsigned, void* argument, std::size_t) {
  auto* const list = static_cast<std::uint8_t*>(argument);
  *reinterpret_cast<std::uint64_t*>(get<std::uint64_t>(list + 8)) = 0xf'ffff;
  put<std::uint32_t>(list + 16, 1);
  return 0;
}

int xc_mmuext_op(void*, void* operations, unsigned count, std::uint32_t domid) {
  const auto* const pins = static_cast<const PinOperation*>(operations);
  auto types = read_file(domid, "types");
  for (unsigned index = 0; index < count; ++index) {
    types[pins[index].mfn] = static_cast<std::uint8_t>(8 + 1 + pins[index].command);
  }
  write_file(domid, "types", types.data(), types.size());
  tell("pin %u count %u", domid, count);
  return 0;
}

int xc_vcpu_getinfo(void*, std::uint32_t domid, std::uint32_t vcpu_id, VcpuInfo* info) {
  *info = {};
  info->is_online = read_file(domid, part("basic", vcpu_id)).empty() ? 0 : 1;
  return 0;
}

int xc_vcpu_getcontext(void*, std::uint32_t domid, std::uint32_t vcpu_id, void* context) {
  const auto content = read_file(domid, part("basic", vcpu_id));
  std::memcpy(context, content.data(), content.size());
  return 0;
}

int xc_vcpu_setcontext(void*, std::uint32_t domid, std::uint32_t vcpu_id, void* context) {
  const std::size_t size = read_number(domid, "width") == 8 ? 5168 : 2800;
  write_file(domid, part("basic", vcpu_id), context, size);
  tell("vcpu %u id %u", domid, vcpu_id);
  return 0;
}

int xc_domctl(void*, Domctl* domctl) {
  const std::uint32_t domid = domctl->domid;
  std::uint8_t* const operation = domctl->operation;
  const auto vcpu_id = get<std::uint32_t>(operation);
  switch (domctl->command) {
    case 35: {
      const std::string width = std::to_string(get<std::uint32_t>(operation) / 8);
      write_file(domid, "width", width.data(), width.size());
      return 0;
    }
    case 42:
      write_file(domid, part("extended", vcpu_id), operation, get<std::uint32_t>(operation + 4));
      return 0;
    case 43: {
      const auto content = read_file(domid, part("extended", vcpu_id));
      std::memcpy(operation, content.data(), content.size());
      return 0;
    }
    case 62:
      take<std::uint64_t>(domid, part("xsave", vcpu_id), operation + 16, operation + 24, 1);
      return 0;
    case 63:
      give<std::uint64_t>(domid, part("xsave", vcpu_id), operation + 16, operation + 24, 1);
      put<std::uint64_t>(operation + 8, 7);
      return 0;
    case 72:
      give<std::uint32_t>(domid, part("msrs", vcpu_id), operation + 4, operation + 8, 16);
      return 0;
    case 73:
      take<std::uint32_t>(domid, part("msrs", vcpu_id), operation + 4, operation + 8, 16);
      return 0;
    default:
      errno = ENOSYS;
      return -1;
  }
}

}  // extern "C"
