// Pages of a guest's RAM, read and written through its file descriptor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace xenferry::host {

// Reads page `pfns[i]` of `fd` into page i of `out`; holes read as zeros and stay holes.
// Neighbours are read together. Throws std::system_error.
void read_pages(int fd, std::span<const std::uint32_t> pfns, std::span<std::byte> out);

// Writes page i of `pages` at page `pfns[i]` of `fd`, in order of i; neighbours together.
// Nothing is mapped, so that the writer's memory does not grow with the guest's.
// Throws std::system_error.
void write_pages(int fd, std::span<const std::uint32_t> pfns, std::span<const std::byte> pages);

}  // namespace xenferry::host
