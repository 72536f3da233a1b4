#include "checksum.h"

#include <array>
#include <cstring>

namespace xenferry::engine {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;
constexpr std::size_t kSlices = 8;

using Tables = std::array<std::array<std::uint32_t, 256>, kSlices>;

// Table k advances a byte's remainder by k further bytes of zero.
constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < kSlices; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[slice - 1][byte];
      tables[slice][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t checksum_page(const std::byte* page) {
  std::uint64_t crc = 0xffffffff;
  for (std::size_t at = 0; at < kPageBytes; at += kSlices) {
    std::uint64_t word = 0;
    for (std::size_t byte = 0; byte < kSlices; ++byte) {
      word |= std::to_integer<std::uint64_t>(page[at + byte]) << (8 * byte);
    }
    word ^= crc;
    crc = 0;
    for (std::size_t byte = 0; byte < kSlices; ++byte) {
      crc ^= kTables[kSlices - 1 - byte][(word >> (8 * byte)) & 0xff];
    }
  }
  return static_cast<std::uint32_t>(crc) ^ 0xffffffff;
}

}  // namespace

std::size_t checksum_pages_portable(Bytes window, PageIndexes indexes,
                                    std::span<std::uint32_t> out_crcs) noexcept {
  for (std::size_t at = 0; at < indexes.size(); ++at) {
    out_crcs[at] = checksum_page(window.data() + std::size_t{indexes[at]} * kPageBytes);
  }
  return indexes.size();
}

}  // namespace xenferry::engine
