#include "libraries.h"

#include <dlfcn.h>

#include <fstream>
#include <initializer_list>
#include <stdexcept>
#include <vector>

namespace xenferry::xen {
namespace {

// Libraries in which a function is looked for, in order; some moved from one to another.
using Shelf = std::vector<void*>;

void* open_one(const std::string& folder, const std::string& soname) {
  const std::string path = folder.empty() ? soname : folder + "/" + soname;
  return dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
}

template <typename Function>
bool find(const Shelf& shelf, const char* name, Function*& out) {
  for (void* library : shelf) {
    out = reinterpret_cast<Function*>(dlsym(library, name));
    if (out != nullptr) return true;
  }
  return false;
}

template <typename Function>
void need(const Shelf& shelf, const char* name, Function*& out) {
  if (!find(shelf, name, out)) {
    throw std::runtime_error(std::string("Xen's libraries have no function ") + name);
  }
}

std::string version_name(int minor) { return "4." + std::to_string(minor); }

// Minor version of the running hypervisor; -1 where there is none or it is no Xen 4.
int running_minor() {
  int major = 0;
  int minor = 0;
  std::ifstream{"/sys/hypervisor/version/major"} >> major;
  std::ifstream minor_file{"/sys/hypervisor/version/minor"};
  return major == 4 && minor_file >> minor ? minor : -1;
}

void* open_control(const std::string& folder, int& minor) {
  const int running = running_minor();
  for (int tried = kMinorMax; tried >= kMinorMin; --tried) {
    if (running >= 0 && tried != running) continue;
    void* const library = open_one(folder, "libxenctrl.so." + version_name(tried));
    if (library == nullptr) continue;
    minor = tried;
    return library;
  }
  const std::string known =
      version_name(kMinorMin) + " to " + version_name(kMinorMax) + " are known";
  if (running > kMinorMax || (running >= 0 && running < kMinorMin)) {
    throw std::runtime_error("this is Xen " + version_name(running) + "; " + known);
  }
  const std::string wanted = running < 0 ? "4.*" : version_name(running);
  throw std::runtime_error("there is no libxenctrl.so." + wanted + " here (" + known + ")");
}

void* need_library(const std::string& folder, const std::string& soname) {
  void* const library = open_one(folder, soname);
  if (library == nullptr) throw std::runtime_error("there is no " + soname + " here");
  return library;
}

void find_log_dirty(const Shelf& shelf, int minor, Functions& found) {
  if (minor < 16) {
    need(shelf, "xc_shadow_control", found.shadow_control_4_14);
  } else {
    need(shelf, "xc_shadow_control", found.shadow_control_4_16);
    need(shelf, "xc_logdirty_control", found.logdirty_control);
  }
}

void find_policies(const Shelf& shelf, int minor, Functions& found) {
  need(shelf, "xc_set_domain_cpu_policy", found.set_policy);
  if (minor < 16) {
    need(shelf, "xc_get_cpu_policy_size", found.policy_size);
    need(shelf, "xc_get_domain_cpu_policy", found.get_policy_4_14);
  } else {
    need(shelf, "xc_cpu_policy_get_size", found.policy_size);
    need(shelf, "xc_cpu_policy_init", found.policy_init);
    need(shelf, "xc_cpu_policy_destroy", found.policy_destroy);
    need(shelf, "xc_cpu_policy_get_domain", found.policy_get_domain);
    need(shelf, "xc_cpu_policy_serialise", found.policy_serialise);
  }
}

void find_control(const Shelf& shelf, Functions& found) {
  need(shelf, "xc_interface_open", found.interface_open);
  need(shelf, "xc_domain_getinfolist", found.get_info_list);
  need(shelf, "xc_domain_nr_gpfns", found.nr_gpfns);
  need(shelf, "xc_version", found.version);
  need(shelf, "xc__hypercall_buffer_alloc_pages", found.buffer_alloc_pages);
  need(shelf, "xc__hypercall_buffer_free_pages", found.buffer_free_pages);
  need(shelf, "xc_get_pfn_type_batch", found.get_pfn_types);
  need(shelf, "xc_domain_populate_physmap", found.populate);
  need(shelf, "xc_clear_domain_pages", found.clear_pages);
  need(shelf, "xc_domain_get_tsc_info", found.get_tsc_info);
  need(shelf, "xc_domain_set_tsc_info", found.set_tsc_info);
  need(shelf, "xc_domain_hvm_getcontext", found.get_hvm_context);
  need(shelf, "xc_domain_hvm_setcontext", found.set_hvm_context);
  need(shelf, "xc_hvm_param_get", found.get_hvm_param);
  need(shelf, "xc_hvm_param_set", found.set_hvm_param);
  need(shelf, "xc_dom_gnttab_seed", found.seed_grants);
  find(shelf, "xc_dom_console_init", found.init_console);
}

void find_pv(const Shelf& shelf, Functions& found) {
  need(shelf, "xc_domain_get_guest_width", found.guest_width);
  need(shelf, "xc_maximum_ram_page", found.maximum_ram_page);
  need(shelf, "xc_machphys_mfn_list", found.machphys_mfn_list);
  need(shelf, "xc_memory_op", found.memory_op);
  need(shelf, "xc_mmuext_op", found.mmuext_op);
  need(shelf, "xc_domctl", found.domctl);
  need(shelf, "xc_vcpu_getinfo", found.vcpu_get_info);
  need(shelf, "xc_vcpu_getcontext", found.vcpu_get_context);
  need(shelf, "xc_vcpu_setcontext", found.vcpu_set_context);
}

void find_foreign(const Shelf& shelf, Functions& found) {
  need(shelf, "xenforeignmemory_open", found.foreign_open);
  need(shelf, "xenforeignmemory_map", found.foreign_map);
  need(shelf, "xenforeignmemory_unmap", found.foreign_unmap);
}

// Xenstore only says whether devices are assigned; its absence is no obstacle.
void find_store(const std::string& folder, Functions& found) {
  for (const char* const soname : {"libxenstore.so.4", "libxenstore.so.3.0"}) {
    void* const library = open_one(folder, soname);
    if (library == nullptr) continue;
    need({library}, "xs_open", found.store_open);
    need({library}, "xs_close", found.store_close);
    need({library}, "xs_read", found.store_read);
    return;
  }
}

}  // namespace

Libraries open_libraries(const std::string& folder) {
  Libraries libraries;
  void* const control = open_control(folder, libraries.minor);
  void* const guest = need_library(folder, "libxenguest.so." + version_name(libraries.minor));
  const Shelf shelf = {control, guest};
  Functions& found = libraries.functions;
  find_control(shelf, found);
  find_pv(shelf, found);
  find_log_dirty(shelf, libraries.minor, found);
  find_policies(shelf, libraries.minor, found);
  find_foreign({need_library(folder, "libxenforeignmemory.so.1")}, found);
  find_store(folder, found);
  return libraries;
}

}  // namespace xenferry::xen
