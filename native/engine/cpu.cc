#include "cpu.h"

#include "types.h"

#if defined(XENFERRY_ARM64) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace xenferry::engine {

CpuFeatures cpu_features() noexcept {
  CpuFeatures features;
#if defined(XENFERRY_X86)
  __builtin_cpu_init();
  features.popcnt = __builtin_cpu_supports("popcnt");
  features.sse42 =
      features.popcnt && __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  features.avx2 = features.popcnt && __builtin_cpu_supports("avx2") &&
                  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
  features.avx512 = features.sse42 && features.avx2 && __builtin_cpu_supports("avx512f") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
                    __builtin_cpu_supports("avx512vpopcntdq") &&
                    __builtin_cpu_supports("vpclmulqdq");
#elif defined(XENFERRY_ARM64) && defined(__linux__)
  const unsigned long capabilities = getauxval(AT_HWCAP);
  features.armv8_crc = (capabilities & HWCAP_CRC32) != 0 && (capabilities & HWCAP_PMULL) != 0;
#elif defined(XENFERRY_ARM64) && defined(__APPLE__)
  features.armv8_crc = true;
#endif
  return features;
}

}  // namespace xenferry::engine
