#include "dispatch.h"

#include <chrono>
#include <limits>
#include <numeric>

#include "cpu.h"

namespace xenferry::engine {
namespace {

constexpr std::size_t kPageCount = 64;
constexpr std::size_t kBitmapBytes = 16 * 1024;
constexpr std::size_t kSampleCount = 8;
constexpr double kGainMin = 1.05;

// Small enough to stay in the caches: what differs between variants is work, not memory.
struct Pages {
  std::vector<std::uint8_t> window = std::vector<std::uint8_t>(kPageCount * kPageBytes);
  std::vector<std::uint32_t> indexes = std::vector<std::uint32_t>(kPageCount);
  std::vector<std::uint8_t> flags = std::vector<std::uint8_t>(kPageCount);

  Pages() { std::iota(indexes.begin(), indexes.end(), 0); }
};

// Another one each sample: the branches of one that comes back would be learnt by heart.
class Bitmaps {
 public:
  // About one bit in 40 is set, without a rhythm.
  Bitmaps() {
    std::uint32_t state = 1;
    for (std::uint8_t& byte : bytes_) {
      state = state * 1664525 + 1013904223;
      if (state >> 24 < 51) byte = static_cast<std::uint8_t>(1u << (state >> 20 & 7));
    }
  }

  ConstBytes of(std::size_t sample) const noexcept {
    return ConstBytes(bytes_).subspan(sample * kBitmapBytes, kBitmapBytes);
  }

 private:
  std::vector<std::uint8_t> bytes_ = std::vector<std::uint8_t>(kSampleCount * kBitmapBytes);
};

// The least time that one of the samples took; the first only warms up.
template <typename Call>
double fastest_seconds(Call&& call) {
  using Clock = std::chrono::steady_clock;
  double fastest = std::numeric_limits<double>::infinity();
  for (std::size_t sample = 0; sample < kSampleCount; ++sample) {
    const auto start = Clock::now();
    call(sample);
    const std::chrono::duration<double> elapsed = Clock::now() - start;
    if (sample > 0 && elapsed.count() < fastest) fastest = elapsed.count();
  }
  return fastest;
}

// The variant of `operation` for which `call` takes the least time.
template <typename Function, typename Call>
std::size_t fastest_of(const Operation<Function>& operation, Call&& call) {
  double best_seconds = std::numeric_limits<double>::infinity();
  std::size_t best = 0;
  for (std::size_t variant = 0; variant < operation.variants().size(); ++variant) {
    Function* const run = operation.variants()[variant].run;
    const double seconds = fastest_seconds([&](std::size_t sample) { call(run, sample); });
    if (variant == 0 || seconds * kGainMin < best_seconds) {
      best_seconds = seconds;
      best = variant;
    }
  }
  return best;
}

// Each measures once a process; who comes meanwhile waits.

std::size_t fastest_scan_bitmap() {
  static const std::size_t fastest = [] {
    const Bitmaps bitmaps;
    std::vector<std::uint32_t> pfns(kBitmapBytes * 8);
    return fastest_of(native_operations().scan_bitmap, [&](ScanBitmap* run, std::size_t sample) {
      run(bitmaps.of(sample), 0, pfns);
    });
  }();
  return fastest;
}

std::size_t fastest_count_bitmap() {
  static const std::size_t fastest = [] {
    const Bitmaps bitmaps;
    return fastest_of(native_operations().count_bitmap,
                      [&](CountBitmap* run, std::size_t sample) { run(bitmaps.of(sample)); });
  }();
  return fastest;
}

std::size_t fastest_or_bitmap() {
  static const std::size_t fastest = [] {
    const Bitmaps bitmaps;
    std::vector<std::uint8_t> into(kBitmapBytes);
    return fastest_of(native_operations().or_bitmap,
                      [&](OrBitmap* run, std::size_t sample) { run(into, bitmaps.of(sample)); });
  }();
  return fastest;
}

std::size_t fastest_find_zero_pages() {
  static const std::size_t fastest = [] {
    Pages pages;
    return fastest_of(native_operations().find_zero_pages, [&](FindZeroPages* run, std::size_t) {
      run(pages.window, pages.indexes, pages.flags);
    });
  }();
  return fastest;
}

std::size_t fastest_compare_pages() {
  static const std::size_t fastest = [] {
    Pages pages;
    const std::vector<std::uint8_t> others(pages.window.size());
    return fastest_of(native_operations().compare_pages, [&](ComparePages* run, std::size_t) {
      run(pages.window, pages.indexes, others, pages.flags);
    });
  }();
  return fastest;
}

std::size_t fastest_checksum_pages() {
  static const std::size_t fastest = [] {
    const Pages pages;
    std::vector<std::uint32_t> crcs(kPageCount);
    return fastest_of(native_operations().checksum_pages, [&](ChecksumPages* run, std::size_t) {
      run(pages.window, pages.indexes, crcs);
    });
  }();
  return fastest;
}

std::size_t fastest_digest_pages() {
  static const std::size_t fastest = [] {
    const Pages pages;
    const std::vector<std::uint8_t> key(kDigestKeyBytes);
    std::vector<std::uint8_t> digests(kPageCount * kDigestBytes);
    return fastest_of(native_operations().digest_pages, [&](DigestPages* run, std::size_t) {
      run(pages.window, pages.indexes, key, digests);
    });
  }();
  return fastest;
}

// The variants that this CPU can run, each list narrow to wide.
Operations runnable_operations() {
  Operations operations{
      .scan_bitmap = {"scanBitmap", {"portable", portable::scan_bitmap}, fastest_scan_bitmap},
      .count_bitmap = {"countBitmap", {"portable", portable::count_bitmap}, fastest_count_bitmap},
      .or_bitmap = {"orBitmap", {"portable", portable::or_bitmap}, fastest_or_bitmap},
      .find_zero_pages = {"findZeroPages",
                          {"portable", portable::find_zero_pages},
                          fastest_find_zero_pages},
      .gather_pages = {"gatherPages", {"portable", portable::gather_pages}},
      .scatter_pages = {"scatterPages", {"portable", portable::scatter_pages}},
      .compare_pages = {"comparePages",
                        {"portable", portable::compare_pages},
                        fastest_compare_pages},
      .checksum_pages = {"checksumPages",
                         {"portable", portable::checksum_pages},
                         fastest_checksum_pages},
      .digest_pages = {"digestPages", {"portable", portable::digest_pages}, fastest_digest_pages},
      .encode_page_data_head = {"encodePageDataHead",
                                {"portable", portable::encode_page_data_head}},
      .decode_page_data_head = {"decodePageDataHead",
                                {"portable", portable::decode_page_data_head}},
  };
  [[maybe_unused]] const CpuFeatures features = cpu_features();
#if defined(XENFERRY_X86)
  if (features.popcnt) {
    operations.count_bitmap.add({"popcnt", popcnt::count_bitmap});
    operations.or_bitmap.add({"popcnt", popcnt::or_bitmap});
  }
  if (features.sse42) operations.checksum_pages.add({"sse42", sse42::checksum_pages});
  if (features.avx2) {
    operations.scan_bitmap.add({"avx2", avx2::scan_bitmap});
    operations.count_bitmap.add({"avx2", avx2::count_bitmap});
    operations.or_bitmap.add({"avx2", avx2::or_bitmap});
    operations.find_zero_pages.add({"avx2", avx2::find_zero_pages});
    operations.compare_pages.add({"avx2", avx2::compare_pages});
    operations.digest_pages.add({"avx2", avx2::digest_pages});
  }
  if (features.avx512) {
    operations.scan_bitmap.add({"avx512", avx512::scan_bitmap});
    operations.count_bitmap.add({"avx512", avx512::count_bitmap});
    operations.or_bitmap.add({"avx512", avx512::or_bitmap});
    operations.find_zero_pages.add({"avx512", avx512::find_zero_pages});
    operations.compare_pages.add({"avx512", avx512::compare_pages});
    operations.checksum_pages.add({"avx512", avx512::checksum_pages});
    operations.digest_pages.add({"avx512", avx512::digest_pages});
  }
#elif defined(XENFERRY_ARM64)
  if (features.armv8_crc) operations.checksum_pages.add({"armv8", armv8::checksum_pages});
#endif
  return operations;
}

}  // namespace

const Operations& native_operations() {
  static const Operations operations = runnable_operations();
  return operations;
}

}  // namespace xenferry::engine
