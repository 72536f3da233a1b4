#include "page_head.h"

#include <bit>
#include <cstring>

namespace xenferry::engine {
namespace {

static_assert(std::endian::native == std::endian::little, "pfn words are stored as they are");

constexpr std::uint32_t kRecordPageData = 1;
constexpr std::uint32_t kPageBytes = 4096;
constexpr std::uint8_t kFirstTypeWithoutData = 0xd;
constexpr unsigned kTypeShift = 60;
// Everything between the page type and a pfn below 2^32.
constexpr std::uint64_t kMustBeZero = 0x0fff'ffff'0000'0000;

}  // namespace

std::size_t encode_page_data_head(std::span<const std::uint32_t> pfns,
                                  std::span<const std::uint8_t> types,
                                  std::span<std::byte> out) noexcept {
  const auto count = static_cast<std::uint32_t>(pfns.size());
  std::uint32_t data_pages = 0;
  for (std::size_t at = 0; at < pfns.size(); ++at) {
    data_pages += types[at] < kFirstTypeWithoutData;
    const std::uint64_t word = std::uint64_t{types[at]} << kTypeShift | pfns[at];
    std::memcpy(out.data() + kHeadBytes + at * kPfnWordBytes, &word, sizeof word);
  }
  const std::uint32_t head[] = {kRecordPageData, 8 + count * 8 + data_pages * kPageBytes, count, 0};
  static_assert(sizeof head == kHeadBytes);
  std::memcpy(out.data(), head, sizeof head);
  return kHeadBytes + pfns.size() * kPfnWordBytes;
}

std::size_t decode_page_data_head(std::span<const std::byte> words,
                                  std::span<std::uint32_t> out_pfns,
                                  std::span<std::uint8_t> out_types) noexcept {
  const std::size_t count = words.size() / kPfnWordBytes;
  for (std::size_t at = 0; at < count; ++at) {
    std::uint64_t word;
    std::memcpy(&word, words.data() + at * kPfnWordBytes, sizeof word);
    if ((word & kMustBeZero) != 0) return at;
    out_pfns[at] = static_cast<std::uint32_t>(word);
    out_types[at] = static_cast<std::uint8_t>(word >> kTypeShift);
  }
  return count;
}

}  // namespace xenferry::engine
