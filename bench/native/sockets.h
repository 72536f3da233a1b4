// Stream sockets by address: unix:PATH or tcp:PORT (of 127.0.0.1; 0 is any free one).
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "../../native/unique_fd.h"

struct iovec;

namespace xenferry::bench {

// Connects. Throws std::system_error.
UniqueFd connect_to(const std::string& address);

// Listens, prints {"listening":ADDRESS} and waits for one connection. Throws std::system_error.
UniqueFd accept_at(const std::string& address);

// Writes all of the pieces; changes them on the way. Throws std::system_error.
void write_all(int fd, std::span<iovec> pieces);

// Reads until `out` is full or the stream ends; returns how much. Throws std::system_error.
std::size_t read_full(int fd, std::span<std::byte> out);

}  // namespace xenferry::bench
