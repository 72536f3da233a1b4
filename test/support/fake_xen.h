// The folder that stands for a hypervisor; see fake_xen.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace fake_xen {

constexpr std::size_t kPageBytes = 4096;
constexpr std::uint8_t kXtab = 0xf;

// The file `what` of a domain.
std::string path_of(std::uint32_t domid, const std::string& what);
// Empty where there is none.
std::vector<std::uint8_t> read_file(std::uint32_t domid, const std::string& what);
void write_file(std::uint32_t domid, const std::string& what, const void* content,
                std::size_t size);
std::uint64_t read_number(std::uint32_t domid, const std::string& what);

// Adds a line to `calls`.
__attribute__((format(printf, 1, 2))) void tell(const char* format, ...);

}  // namespace fake_xen
