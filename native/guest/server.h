// The control socket: one request line, one reply line. The client is src/guest/control.ts.
#pragma once

#include <string>

#include "../unique_fd.h"
#include "machine.h"

namespace xenferry::guest {

// Binds the control socket, mode 0600. Throws std::system_error.
UniqueFd listen_at(const std::string& path);

// Serves requests until one asks for the guest's end, or until whoever was filling an incoming
// guest is gone: a guest without its state is of no use to anybody.
void serve(Machine& machine, int listen_fd);

}  // namespace xenferry::guest
