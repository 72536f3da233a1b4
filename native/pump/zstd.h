#pragma once

#include <cstddef>

#include "../engine/types.h"

// libzstd, opened when it is first asked for: what is built here runs without it.
namespace xenferry::pump::zstd {

// Whether there is one.
bool is_available() noexcept;

// One thread's state for compressing. Throws std::bad_alloc; only where it is available.
class Compressor {
 public:
  Compressor();
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  // Octets of the frame in `out`; 0 where it does not fit.
  std::size_t compress(engine::ConstBytes in, engine::Bytes out) noexcept;

 private:
  void* context_;
};

// One thread's state for decompressing. Throws std::bad_alloc; only where it is available.
class Decompressor {
 public:
  Decompressor();
  ~Decompressor();
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;

  // Whether `in` is frames of exactly as many octets as `out` has, which they then are.
  bool decompress(engine::ConstBytes in, engine::Bytes out) noexcept;

 private:
  void* context_;
};

}  // namespace xenferry::pump::zstd
