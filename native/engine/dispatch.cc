#include "dispatch.h"

#include <algorithm>
#include <chrono>
#include <numeric>

#ifdef __aarch64__
#include <sys/auxv.h>
#endif

namespace xenferry::engine {
namespace {

constexpr std::size_t kSamplePages = 64;
constexpr std::size_t kSampleBitmapBytes = 64 << 10;
constexpr int kRepeats = 5;
constexpr double kGainShare = 0.9;

#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("popcnt");
}
#elif defined(__aarch64__) && defined(__linux__)
bool has_crc32() {
  constexpr unsigned long kHwcapCrc32 = 1 << 7;
  return (getauxval(AT_HWCAP) & kHwcapCrc32) != 0;
}
#elif defined(__aarch64__)
bool has_crc32() { return true; }
#endif

// Shortest of a few runs: what disturbs a run only makes it longer.
template <typename Run>
double shortest_seconds(Run run) {
  double shortest = 1e9;
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    shortest = std::min(shortest, elapsed.count());
  }
  return shortest;
}

template <typename Function, typename Run>
Variant<Function> fastest(const Variants<Function>& variants, Run run) {
  Variant<Function> best = variants.front();
  if (variants.size() == 1) return best;
  double best_seconds = shortest_seconds([&] { run(best.function); });
  for (std::size_t at = 1; at < variants.size(); ++at) {
    const double seconds = shortest_seconds([&] { run(variants[at].function); });
    if (seconds < best_seconds * kGainShare) {
      best = variants[at];
      best_seconds = seconds;
    }
  }
  return best;
}

}  // namespace

Variants<ScanBitmap> scan_bitmap_variants() {
  Variants<ScanBitmap> variants = {{"portable", scan_bitmap_portable}};
#ifdef __x86_64__
  if (has_avx2()) variants.push_back({"avx2", scan_bitmap_avx2});
#endif
  return variants;
}

Variants<CountBitmap> count_bitmap_variants() {
  Variants<CountBitmap> variants = {{"portable", count_bitmap_portable}};
#ifdef __x86_64__
  if (has_avx2()) variants.push_back({"avx2", count_bitmap_avx2});
#endif
  return variants;
}

Variants<OrBitmap> or_bitmap_variants() {
  Variants<OrBitmap> variants = {{"portable", or_bitmap_portable}};
#ifdef __x86_64__
  if (has_avx2()) variants.push_back({"avx2", or_bitmap_avx2});
#endif
  return variants;
}

Variants<FindZeroPages> find_zero_pages_variants() {
  Variants<FindZeroPages> variants = {{"portable", find_zero_pages_portable}};
#ifdef __x86_64__
  if (has_avx2()) variants.push_back({"avx2", find_zero_pages_avx2});
#endif
  return variants;
}

Variants<ChecksumPages> checksum_pages_variants() {
  Variants<ChecksumPages> variants = {{"slicing-by-8", checksum_pages_portable}};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) variants.push_back({"sse4.2", checksum_pages_sse42});
#elif defined(__aarch64__)
  if (has_crc32()) variants.push_back({"armv8-crc", checksum_pages_armv8});
#endif
  return variants;
}

Dispatch measured_dispatch() {
  std::vector<std::byte> pages(kSamplePages * kPageBytes);
  std::vector<std::byte> bitmap(kSampleBitmapBytes);
  for (std::size_t at = 0; at < bitmap.size(); at += 1024) bitmap[at] = std::byte{1};
  std::vector<std::byte> other = bitmap;
  std::vector<std::uint32_t> indexes(kSamplePages);
  std::iota(indexes.begin(), indexes.end(), 0);
  std::vector<std::uint32_t> numbers(1024);
  std::vector<std::uint8_t> flags(kSamplePages);
  return {
      .scan_bitmap =
          fastest(scan_bitmap_variants(), [&](ScanBitmap run) { run(bitmap, 0, numbers); }),
      .count_bitmap = fastest(count_bitmap_variants(), [&](CountBitmap run) { run(bitmap); }),
      .or_bitmap = fastest(or_bitmap_variants(), [&](OrBitmap run) { run(other, bitmap); }),
      .find_zero_pages = fastest(find_zero_pages_variants(),
                                 [&](FindZeroPages run) { run(pages, indexes, flags); }),
      .checksum_pages = fastest(checksum_pages_variants(),
                                [&](ChecksumPages run) { run(pages, indexes, numbers); }),
  };
}

}  // namespace xenferry::engine
