// Libraries that are there or not.
#pragma once

#include <string>

namespace xenferry::host {

// Where a library was found, or why it cannot be opened.
struct LibraryPlace {
  std::string path;
  std::string reason;
};

// Opens a library as the dynamic linker finds it, and lets go of it again.
LibraryPlace locate_library(const std::string& soname);

}  // namespace xenferry::host
