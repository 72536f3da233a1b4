#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "host.h"

namespace xenferry::xen {

using Octets = std::vector<std::uint8_t>;

// The two records about CPUs, as they go into the stream.
struct CpuPolicies {
  Octets cpuid_leaves;
  Octets msr_entries;
};

struct TscInfo {
  std::uint32_t mode;
  std::uint32_t khz;
  std::uint64_t nsec;
  std::uint32_t incarnation;
};

// Where xenstore and console meet the guest, for its grant table.
struct GrantSeeds {
  std::uint64_t console_gfn;
  std::uint64_t store_gfn;
  std::uint32_t console_domid;
  std::uint32_t store_domid;
};

// A domain of this machine. Every member throws Failure GUEST_HOST_CALL with the library's
// function and errno; none changes anything before that unless said.
class Domain {
 public:
  Domain(const Host& host, std::uint32_t domid) : host_(host), domid_(domid) {}

  const Host& host() const noexcept { return host_; }
  std::uint32_t domid() const noexcept { return domid_; }

  DomainInfo info() const;
  // One above the highest frame number in use.
  std::uint64_t frame_count() const;
  // Assigned PCI devices as xenstore lists them; 0 where it cannot be asked.
  unsigned pci_device_count() const;

  void enable_log_dirty() const;
  void disable_log_dirty() const;
  // Adds the dirty pages to `out`, a bit for each of `frame_count` frames, and returns how many
  // there are. kClean forgets them.
  std::uint64_t read_dirty(LogDirtyOp op, bool is_final, std::uint64_t frame_count,
                           engine::Bytes out);

  CpuPolicies cpu_policies() const;
  void set_cpu_policies(const CpuPolicies& policies) const;
  TscInfo tsc_info() const;
  void set_tsc_info(const TscInfo& info) const;
  Octets hvm_context() const;
  void set_hvm_context(std::span<const std::uint8_t> context) const;
  std::uint64_t hvm_param(std::uint32_t index) const;
  void set_hvm_param(std::uint32_t index, std::uint64_t value) const;
  // Fills a page of the guest with zeros.
  void clear_page(std::uint64_t gfn) const;
  // Makes a page the console ring of a guest that nobody serves yet.
  void clear_console(std::uint64_t gfn) const;
  void seed_grants(bool is_hvm, const GrantSeeds& seeds) const;

 private:
  CpuPolicies policies_4_14(CpuPolicies room) const;
  CpuPolicies policies_4_16(CpuPolicies room) const;
  void shadow(LogDirtyOp op, const char* name) const;

  const Host& host_;
  std::uint32_t domid_;
  std::unique_ptr<BitmapBuffer> dirty_;
};

}  // namespace xenferry::xen
