#pragma once

#include <string>

#include "ram.h"
#include "workload.h"

namespace xenferry::guest {

enum class StartAs { kRunning, kPaused, kIncoming };

struct Arguments {
  Workload workload;
  std::string socket_path;
  LogDirtyChoice log_dirty = LogDirtyChoice::kAuto;
  StartAs start_as = StartAs::kRunning;
};

// Reads `key=value` arguments. Throws std::invalid_argument naming the one that is wrong.
Arguments parse_arguments(int count, char** values);

}  // namespace xenferry::guest
