#include "zstd.h"

#include <dlfcn.h>

#include <new>

namespace xenferry::pump::zstd {
namespace {

// Fastest of the levels that are not made for speed above all.
constexpr int kLevel = 1;

// What is used of libzstd's stable interface. Source: zstd.h of libzstd 1.
struct Library {
  void* (*create_compressor)();
  std::size_t (*free_compressor)(void*);
  std::size_t (*compress)(void*, void*, std::size_t, const void*, std::size_t, int);
  void* (*create_decompressor)();
  std::size_t (*free_decompressor)(void*);
  std::size_t (*decompress)(void*, void*, std::size_t, const void*, std::size_t);
  unsigned (*is_error)(std::size_t);
  bool is_complete = false;
};

template <typename Function>
bool find(void* handle, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  return function != nullptr;
}

// The handle is kept: the library stays for as long as the process.
Library open() {
  Library library;
  void* const handle = dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
  library.is_complete = handle != nullptr &&
                        find(handle, "ZSTD_createCCtx", library.create_compressor) &&
                        find(handle, "ZSTD_freeCCtx", library.free_compressor) &&
                        find(handle, "ZSTD_compressCCtx", library.compress) &&
                        find(handle, "ZSTD_createDCtx", library.create_decompressor) &&
                        find(handle, "ZSTD_freeDCtx", library.free_decompressor) &&
                        find(handle, "ZSTD_decompressDCtx", library.decompress) &&
                        find(handle, "ZSTD_isError", library.is_error);
  return library;
}

const Library& library() {
  static const Library opened = open();
  return opened;
}

void* checked(void* context) {
  if (context == nullptr) throw std::bad_alloc();
  return context;
}

}  // namespace

bool is_available() noexcept { return library().is_complete; }

Compressor::Compressor() : context_(checked(library().create_compressor())) {}

Compressor::~Compressor() { library().free_compressor(context_); }

std::size_t Compressor::compress(engine::ConstBytes in, engine::Bytes out) noexcept {
  const std::size_t size =
      library().compress(context_, out.data(), out.size(), in.data(), in.size(), kLevel);
  return library().is_error(size) != 0 ? 0 : size;
}

Decompressor::Decompressor() : context_(checked(library().create_decompressor())) {}

Decompressor::~Decompressor() { library().free_decompressor(context_); }

bool Decompressor::decompress(engine::ConstBytes in, engine::Bytes out) noexcept {
  const std::size_t size =
      library().decompress(context_, out.data(), out.size(), in.data(), in.size());
  return library().is_error(size) == 0 && size == out.size();
}

}  // namespace xenferry::pump::zstd
