#include "library.h"

#include <dlfcn.h>
#include <link.h>

namespace xenferry::host {

LibraryPlace locate_library(const std::string& soname) {
  void* const library = dlopen(soname.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return {.path = {}, .reason = dlerror()};
  link_map* map = nullptr;
  const bool is_known = dlinfo(library, RTLD_DI_LINKMAP, &map) == 0;
  LibraryPlace place = {.path = is_known ? map->l_name : soname, .reason = {}};
  dlclose(library);
  return place;
}

}  // namespace xenferry::host
