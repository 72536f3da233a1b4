#include "pages.h"

namespace xenferry::engine::portable {
namespace {

constexpr std::size_t kBlockBytes = 64;

bool is_zero_page(const std::uint8_t* page) noexcept {
  for (std::size_t block = 0; block < kPageBytes; block += kBlockBytes) {
    std::uint64_t any = 0;
    for (std::size_t at = block; at < block + kBlockBytes; at += sizeof any) {
      any |= load_u64(page + at);
    }
    if (any != 0) return false;
  }
  return true;
}

}  // namespace

std::size_t find_zero_pages(ConstBytes window, ConstWords page_indexes,
                            Bytes out_is_zero) noexcept {
  std::size_t zero_pages = 0;
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    prefetch_page(window, page_indexes, entry);
    const std::size_t page_index = page_indexes[entry];
    const bool is_zero = is_zero_page(window.data() + page_index * kPageBytes);
    out_is_zero[entry] = is_zero;
    zero_pages += is_zero;
  }
  return zero_pages;
}

std::size_t gather_pages(ConstBytes window, ConstWords page_indexes, Bytes out_pages) noexcept {
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    prefetch_page(window, page_indexes, entry);
    const std::size_t page_index = page_indexes[entry];
    std::memcpy(out_pages.data() + entry * kPageBytes, window.data() + page_index * kPageBytes,
                kPageBytes);
  }
  return page_indexes.size();
}

std::size_t scatter_pages(ConstBytes pages, ConstWords page_indexes, Bytes window) noexcept {
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    const std::size_t page_index = page_indexes[entry];
    std::memcpy(window.data() + page_index * kPageBytes, pages.data() + entry * kPageBytes,
                kPageBytes);
  }
  return page_indexes.size();
}

std::size_t compare_pages(ConstBytes window, ConstWords page_indexes, ConstBytes pages,
                          Bytes out_differs) noexcept {
  std::size_t differing_pages = 0;
  for (std::size_t entry = 0; entry < page_indexes.size(); ++entry) {
    prefetch_page(window, page_indexes, entry);
    const std::size_t page_index = page_indexes[entry];
    const bool differs = std::memcmp(window.data() + page_index * kPageBytes,
                                     pages.data() + entry * kPageBytes, kPageBytes) != 0;
    out_differs[entry] = differs;
    differing_pages += differs;
  }
  return differing_pages;
}

}  // namespace xenferry::engine::portable
