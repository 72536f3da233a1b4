// Xen's libraries as far as the xen add-on uses them, over a folder of files in place of a
// hypervisor; for tests. FAKE_XEN names the folder, FAKE_XEN_MINOR (when compiled) the version.
//
// Of domain N the folder has: N.ram (page n at n times 4096), N.types (an octet for each frame:
// the stream's page type), N.dirty (a bit for each frame), N.flags, N.params, N.tsc, N.context,
// N.cpuid, N.msr; and `calls`, a line for each call that changes something.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "../../native/xen/abi.h"
#include "fake_xen.h"
#include "fake_xen_pv.h"

namespace fake_xen {

std::string path_of(std::uint32_t domid, const std::string& what) {
  const char* const folder = std::getenv("FAKE_XEN");
  return std::string(folder == nullptr ? "." : folder) + "/" + std::to_string(domid) + "." + what;
}

void tell(const char* format, ...) {
  std::FILE* const calls = std::fopen((std::string(std::getenv("FAKE_XEN")) + "/calls").c_str(), "a");
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(calls, format, arguments);
  va_end(arguments);
  std::fputc('\n', calls);
  std::fclose(calls);
}

std::vector<std::uint8_t> read_file(std::uint32_t domid, const std::string& what) {
  std::vector<std::uint8_t> content;
  std::FILE* const file = std::fopen(path_of(domid, what).c_str(), "rb");
  if (file == nullptr) return content;
  std::uint8_t part[kPageBytes];
  while (const std::size_t count = std::fread(part, 1, sizeof part, file)) {
    content.insert(content.end(), part, part + count);
  }
  std::fclose(file);
  return content;
}

// At once: threads of the add-on read while others write.
void write_file(std::uint32_t domid, const std::string& what, const void* content,
                std::size_t size) {
  const std::string path = path_of(domid, what);
  const std::string fresh = path + ".fresh";
  std::FILE* const file = std::fopen(fresh.c_str(), "wb");
  std::fwrite(content, 1, size, file);
  std::fclose(file);
  std::rename(fresh.c_str(), path.c_str());
}

std::uint64_t read_number(std::uint32_t domid, const std::string& what) {
  auto text = read_file(domid, what);
  text.push_back(0);
  return std::strtoull(reinterpret_cast<const char*>(text.data()), nullptr, 0);
}

}  // namespace fake_xen

using namespace fake_xen;

namespace {

using xenferry::xen::DomainInfo;
using xenferry::xen::FrameWord;
using xenferry::xen::HypercallBuffer;
using xenferry::xen::kPageTypeShift;
using xenferry::xen::LogDirtyStatistics;

constexpr std::uint32_t kNoDomain = 0x7ff0;

int fail(int error) {
  errno = error;
  return -1;
}

template <typename Value>
Value& entry(std::vector<std::uint8_t>& content, std::size_t index) {
  if (content.size() < (index + 1) * sizeof(Value)) content.resize((index + 1) * sizeof(Value));
  return reinterpret_cast<Value*>(content.data())[index];
}

// Hands out `what` where there is room; the number of entries is told in any case.
int give_entries(std::uint32_t domid, const char* what, std::size_t entry_bytes, void* out,
                 std::uint32_t* count) {
  const auto content = read_file(domid, what);
  if (*count * entry_bytes < content.size()) return fail(ENOBUFS);
  std::memcpy(out, content.data(), content.size());
  *count = static_cast<std::uint32_t>(content.size() / entry_bytes);
  return 0;
}

long long log_dirty(std::uint32_t domid, unsigned op, HypercallBuffer* bitmap,
                    unsigned long pages, unsigned mode, LogDirtyStatistics* statistics) {
  if (bitmap == nullptr) {
    tell("log-dirty %u %s", domid, op == 0 ? "off" : "on");
    return 0;
  }
  auto dirty = read_file(domid, "dirty");
  dirty.resize((pages + 63) / 64 * 8);
  std::memcpy(bitmap->memory, dirty.data(), dirty.size());
  statistics->dirty_pages = 1;
  tell("log-dirty %u %s mode %u", domid, op == 12 ? "peek" : "clean", mode);
  if (op != 12) write_file(domid, "dirty", "", 0);
  return static_cast<long long>(pages);
}

}  // namespace

extern "C" {

void* xc_interface_open(void*, void*, unsigned) { return std::malloc(1); }

int xc_version(void*, int, void*) { return 4 << 16 | FAKE_XEN_MINOR; }

int xc_domain_getinfolist(void*, std::uint32_t first, unsigned, void* out) {
  const bool is_there = !read_file(first, "flags").empty();
  DomainInfo info{};
  info.domid = static_cast<std::uint16_t>(is_there ? first : kNoDomain);
  info.flags = static_cast<std::uint32_t>(read_number(first, "flags"));
  const auto types = read_file(first, "types");
  info.total_pages =
      static_cast<std::uint64_t>(std::count(types.begin(), types.end(), std::uint8_t{0}));
  info.online_vcpus = 2;
  info.shared_info_frame = read_number(first, "shared");
  info.vcpu_id_max = static_cast<std::uint32_t>(read_number(first, "vcpus")) - 1;
  std::memcpy(out, &info, sizeof info);
  return 1;
}

int xc_domain_nr_gpfns(void*, std::uint32_t domid, FrameWord* count) {
  *count = read_file(domid, "types").size();
  return 0;
}

void* xc__hypercall_buffer_alloc_pages(void*, HypercallBuffer* buffer, int page_count) {
  buffer->memory = std::calloc(static_cast<std::size_t>(page_count), kPageBytes);
  return buffer->memory;
}

void xc__hypercall_buffer_free_pages(void*, HypercallBuffer* buffer, int) {
  std::free(buffer->memory);
}

#if FAKE_XEN_MINOR < 16
int xc_shadow_control(void*, std::uint32_t domid, unsigned op, HypercallBuffer* bitmap,
                      unsigned long pages, unsigned long*, std::uint32_t mode,
                      LogDirtyStatistics* statistics) {
  return static_cast<int>(log_dirty(domid, op, bitmap, pages, mode, statistics));
}

int xc_get_cpu_policy_size(void*, std::uint32_t* leaves, std::uint32_t* msrs) {
  *leaves = *msrs = 100;
  return 0;
}

int xc_get_domain_cpu_policy(void*, std::uint32_t domid, std::uint32_t* leaf_count, void* leaves,
                             std::uint32_t* msr_count, void* msrs) {
  if (give_entries(domid, "cpuid", 24, leaves, leaf_count) != 0) return -1;
  return give_entries(domid, "msr", 16, msrs, msr_count);
}
#else
int xc_shadow_control(void*, std::uint32_t domid, unsigned op, unsigned*, unsigned) {
  return static_cast<int>(log_dirty(domid, op, nullptr, 0, 0, nullptr));
}

long long xc_logdirty_control(void*, std::uint32_t domid, unsigned op, HypercallBuffer* bitmap,
                              unsigned long pages, unsigned mode,
                              LogDirtyStatistics* statistics) {
  return log_dirty(domid, op, bitmap, pages, mode, statistics);
}

int xc_cpu_policy_get_size(void*, std::uint32_t* leaves, std::uint32_t* msrs) {
  *leaves = *msrs = 100;
  return 0;
}

void* xc_cpu_policy_init() { return new std::uint32_t{kNoDomain}; }

void xc_cpu_policy_destroy(void* policy) { delete static_cast<std::uint32_t*>(policy); }

int xc_cpu_policy_get_domain(void*, std::uint32_t domid, void* policy) {
  *static_cast<std::uint32_t*>(policy) = domid;
  return 0;
}

int xc_cpu_policy_serialise(void*, const void* policy, void* leaves, std::uint32_t* leaf_count,
                            void* msrs, std::uint32_t* msr_count) {
  const std::uint32_t domid = *static_cast<const std::uint32_t*>(policy);
  if (give_entries(domid, "cpuid", 24, leaves, leaf_count) != 0) return -1;
  return give_entries(domid, "msr", 16, msrs, msr_count);
}
#endif

int xc_set_domain_cpu_policy(void*, std::uint32_t domid, std::uint32_t leaf_count,
                             const void* leaves, std::uint32_t msr_count, const void* msrs,
                             std::uint32_t*, std::uint32_t*, std::uint32_t*) {
  write_file(domid, "cpuid", leaves, leaf_count * 24);
  write_file(domid, "msr", msrs, msr_count * 16);
  return 0;
}

int xc_get_pfn_type_batch(void*, std::uint32_t domid, unsigned count, FrameWord* words) {
  if (count > 1024) return fail(E2BIG);
  const auto types = read_file(domid, "types");
  for (unsigned index = 0; index < count; ++index) {
    const FrameWord frame = words[index];
    const std::uint8_t type = frame < types.size() ? types[frame] : kXtab;
    words[index] = FrameWord{type} << kPageTypeShift;
  }
  return 0;
}

int xc_domain_populate_physmap(void*, std::uint32_t domid, unsigned long count, unsigned order,
                               unsigned, FrameWord* frames) {
  if (is_pv(domid)) return populate_pv(domid, count, frames);
  auto types = read_file(domid, "types");
  for (unsigned long index = 0; index < count; ++index) {
    const std::size_t end = frames[index] + (std::size_t{1} << order);
    if (types.size() < end) types.resize(end, kXtab);
    std::fill(types.begin() + static_cast<long>(frames[index]),
              types.begin() + static_cast<long>(end), std::uint8_t{0});
  }
  write_file(domid, "types", types.data(), types.size());
  truncate(path_of(domid, "ram").c_str(), static_cast<off_t>(types.size() * kPageBytes));
  tell("populate %u order %u count %lu first %lu", domid, order, count, frames[0]);
  return static_cast<int>(count);
}

int xc_clear_domain_pages(void*, std::uint32_t domid, unsigned long frame, int) {
  const std::vector<std::uint8_t> zeros(kPageBytes);
  const int fd = open(path_of(domid, "ram").c_str(), O_RDWR | O_CLOEXEC);
  const bool is_done =
      pwrite(fd, zeros.data(), kPageBytes, static_cast<off_t>(frame * kPageBytes)) > 0;
  close(fd);
  tell("clear %u frame %lu", domid, frame);
  return is_done ? 0 : -1;
}

int xc_domain_get_tsc_info(void*, std::uint32_t domid, std::uint32_t* mode, std::uint64_t* nsec,
                           std::uint32_t* khz, std::uint32_t* incarnation) {
  auto tsc = read_file(domid, "tsc");
  *mode = entry<std::uint32_t>(tsc, 0);
  *khz = entry<std::uint32_t>(tsc, 1);
  *nsec = entry<std::uint64_t>(tsc, 1);
  *incarnation = entry<std::uint32_t>(tsc, 4);
  return 0;
}

int xc_domain_set_tsc_info(void*, std::uint32_t domid, std::uint32_t mode, std::uint64_t nsec,
                           std::uint32_t khz, std::uint32_t incarnation) {
  std::vector<std::uint8_t> tsc;
  entry<std::uint32_t>(tsc, 4) = incarnation;
  entry<std::uint32_t>(tsc, 0) = mode;
  entry<std::uint32_t>(tsc, 1) = khz;
  entry<std::uint64_t>(tsc, 1) = nsec;
  write_file(domid, "tsc", tsc.data(), tsc.size());
  return 0;
}

int xc_domain_hvm_getcontext(void*, std::uint32_t domid, std::uint8_t* out, std::uint32_t size) {
  const auto context = read_file(domid, "context");
  if (out != nullptr) std::memcpy(out, context.data(), std::min<std::size_t>(size, context.size()));
  return static_cast<int>(context.size());
}

int xc_domain_hvm_setcontext(void*, std::uint32_t domid, const std::uint8_t* context,
                             std::uint32_t size) {
  write_file(domid, "context", context, size);
  tell("context %u", domid);
  return 0;
}

int xc_hvm_param_get(void*, std::uint32_t domid, std::uint32_t index, std::uint64_t* value) {
  auto params = read_file(domid, "params");
  *value = entry<std::uint64_t>(params, index);
  return 0;
}

int xc_hvm_param_set(void*, std::uint32_t domid, std::uint32_t index, std::uint64_t value) {
  if (index > 38) return fail(EINVAL);
  auto params = read_file(domid, "params");
  entry<std::uint64_t>(params, index) = value;
  write_file(domid, "params", params.data(), params.size());
  return 0;
}

int xc_dom_gnttab_seed(void*, std::uint32_t domid, bool is_hvm, FrameWord console, FrameWord store,
                       std::uint32_t console_domid, std::uint32_t store_domid) {
  tell("grants %u hvm %d console %lu of %u store %lu of %u", domid, is_hvm ? 1 : 0, console,
       console_domid, store, store_domid);
  return 0;
}

void* xenforeignmemory_open(void*, unsigned) { return std::malloc(1); }

void* xenforeignmemory_map(void*, std::uint32_t domid, int protection, std::size_t count,
                           const FrameWord* frames, int* errors) {
  const auto types = read_file(domid, "types");
  const int fd = open(path_of(domid, "ram").c_str(), O_RDWR | O_CLOEXEC);
  auto* const pages = static_cast<std::uint8_t*>(mmap(
      nullptr, count * kPageBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  for (std::size_t index = 0; index < count; ++index) {
    const bool is_there = frames[index] < types.size() && types[frames[index]] < 0xd;
    errors[index] = is_there ? 0 : -EINVAL;
    if (!is_there) continue;
    mmap(pages + index * kPageBytes, kPageBytes, protection, MAP_SHARED | MAP_FIXED, fd,
         static_cast<off_t>(frames[index] * kPageBytes));
  }
  close(fd);
  return pages;
}

int xenforeignmemory_unmap(void*, void* address, std::size_t count) {
  return munmap(address, count * kPageBytes);
}

void* xs_open(unsigned long) { return std::malloc(1); }

void xs_close(void* store) { std::free(store); }

// The file N.pci holds what xenstore says of assigned devices.
void* xs_read(void*, std::uint32_t, const char* path, unsigned* length) {
  unsigned domid = 0;
  if (std::sscanf(path, "/local/domain/0/backend/pci/%u/0/num_devs", &domid) != 1) return nullptr;
  auto content = read_file(domid, "pci");
  if (content.empty()) return nullptr;
  content.push_back(0);
  *length = static_cast<unsigned>(content.size() - 1);
  return strdup(reinterpret_cast<const char*>(content.data()));
}

}  // extern "C"
