#include "checksum.h"

namespace xenferry::engine::portable {
namespace {

constexpr std::size_t kSlices = 16;

// `kTables[k][byte]`: what `byte` does to the remainder once k zero bytes have followed.
constexpr auto kTables = [] {
  std::array<std::array<std::uint32_t, 256>, kSlices> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = crc >> 1 ^ ((crc & 1) != 0 ? kCrcPolynomialReflected : 0);
    }
    tables[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < kSlices; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = before >> 8 ^ tables[0][before & 0xff];
    }
  }
  return tables;
}();

// The eight bytes of `word`, of which the last is followed by `slices_after` bytes.
inline std::uint32_t slices(std::uint64_t word, std::size_t slices_after) noexcept {
  std::uint32_t crc = 0;
  for (std::size_t byte = 0; byte < 8; ++byte) {
    crc ^= kTables[slices_after + 7 - byte][word >> 8 * byte & 0xff];
  }
  return crc;
}

std::uint32_t checksum_page(const std::uint8_t* page) noexcept {
  std::uint32_t crc = ~std::uint32_t{0};
  for (std::size_t at = 0; at < kPageBytes; at += kSlices) {
    crc = slices(load_u64(page + at) ^ crc, 8) ^ slices(load_u64(page + at + 8), 0);
  }
  return ~crc;
}

}  // namespace

std::size_t checksum_pages(ConstBytes window, ConstWords page_indexes, Words out_crcs) noexcept {
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    prefetch_page(window, page_indexes, entry);
    const std::size_t page_index = page_indexes[entry];
    out_crcs[entry] = checksum_page(window.data() + page_index * kPageBytes);
  }
  return page_indexes.size();
}

}  // namespace xenferry::engine::portable
