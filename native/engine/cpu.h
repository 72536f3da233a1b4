#pragma once

// What this CPU, and the operating system on it, can run.
namespace xenferry::engine {

struct CpuFeatures {
  bool popcnt = false;
  bool sse42 = false;
  bool avx2 = false;
  bool avx512 = false;
  bool armv8_crc = false;
};

// A tier counts only whole: with every instruction set named in its XENFERRY_… attribute.
CpuFeatures cpu_features() noexcept;

}  // namespace xenferry::engine
