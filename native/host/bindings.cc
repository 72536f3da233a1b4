// Everything that JavaScript sees of the host add-on; the typed door is src/guest/host.ts.
#include <napi.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "async.h"
#include "cpu.h"
#include "dirty.h"
#include "failure.h"
#include "library.h"
#include "mapping.h"
#include "memory.h"
#include "userfault.h"

namespace {

using namespace xenferry;

constexpr std::uint32_t kAbiVersion = 3;
constexpr std::size_t kPageBytes = 4096;

std::size_t size_argument(const Napi::Value& value) {
  return static_cast<std::size_t>(value.As<Napi::Number>().DoubleValue());
}

int fd_argument(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }

template <typename Array, typename Element>
std::span<Element> span_of(const Napi::Value& value) {
  auto array = value.As<Array>();
  auto* bytes = static_cast<std::byte*>(array.ArrayBuffer().Data()) + array.ByteOffset();
  return {reinterpret_cast<Element*>(bytes), array.ByteLength() / sizeof(Element)};
}

// A bitmap of the caller's: 8-byte aligned and long enough, or a RangeError.
host::Bitmap bitmap_argument(const Napi::Value& value, std::size_t page_count) {
  const auto words = span_of<Napi::Uint8Array, std::uint64_t>(value);
  const bool is_aligned = reinterpret_cast<std::uintptr_t>(words.data()) % 8 == 0;
  if (!is_aligned || words.size() < (page_count + 63) / 64) {
    throw Napi::RangeError::New(value.Env(), "bitmap: 8-byte aligned, a bit for each page");
  }
  return words;
}

// mapWindow(fd, offsetBytes, sizeBytes): an ArrayBuffer over a read-only mapping, which lives until
// unmapWindow(buffer) or until it is collected.
Napi::Value map_window(const Napi::CallbackInfo& info) {
  try {
    auto mapping = std::make_unique<host::Mapping>(host::Mapping::read_only(
        fd_argument(info[0]), size_argument(info[1]), size_argument(info[2])));
    void* data = mapping->data();
    const std::size_t size = mapping->size();
    return Napi::ArrayBuffer::New(
        info.Env(), data, size, [](Napi::Env, void*, host::Mapping* owned) { delete owned; },
        mapping.release());
  } catch (const std::system_error& error) {
    napi_throw(info.Env(), host::make_failure(info.Env(), error));
    return info.Env().Undefined();
  }
}

// Detaches the buffer, whose finalizer then unmaps.
Napi::Value unmap_window(const Napi::CallbackInfo& info) {
  info[0].As<Napi::ArrayBuffer>().Detach();
  return info.Env().Undefined();
}

// Pages of a guest that is scanned on this thread: that takes a millisecond at most, while the
// guest may stand still, and each change of thread a tenth.
constexpr std::size_t kScannedAtOnce = std::size_t{1} << 20;

// scanWritten(pagemapFd, address, pageCount, isClean, outBitmap): pages written.
Napi::Value scan_written(const Napi::CallbackInfo& info) {
  bool is_lossless = true;
  const host::TrackedRange range = {
      .pagemap_fd = fd_argument(info[0]),
      .address = info[1].As<Napi::BigInt>().Uint64Value(&is_lossless),
      .page_count = size_argument(info[2]),
  };
  const auto mode =
      info[3].As<Napi::Boolean>().Value() ? host::ScanMode::kClean : host::ScanMode::kPeek;
  const host::Bitmap out = bitmap_argument(info[4], range.page_count);
  using Call = host::HostCall<std::function<std::size_t()>>;
  const auto work = [range, mode, out] { return host::scan_written(range, mode, out); };
  return range.page_count <= kScannedAtOnce
             ? Call::run(info.Env(), work)
             : Call::start(info.Env(), {info[4].As<Napi::Object>()}, work);
}

// exchangeBitmap(bitmapFd, pageCount, outBitmap): ones; countBitmap(bitmapFd, pageCount): ones.
Napi::Value exchange_bitmap(const Napi::CallbackInfo& info) {
  const int fd = fd_argument(info[0]);
  const std::size_t page_count = size_argument(info[1]);
  const host::Bitmap out = bitmap_argument(info[2], page_count);
  return host::HostCall<std::function<std::size_t()>>::start(
      info.Env(), {info[2].As<Napi::Object>()}, [fd, page_count, out] {
        const auto shared = host::Mapping::shared(fd, (page_count + 63) / 64 * 8);
        auto* words = reinterpret_cast<std::uint64_t*>(shared.data());
        return host::exchange_bitmap({words, shared.size() / 8}, out);
      });
}

Napi::Value count_bitmap(const Napi::CallbackInfo& info) {
  const int fd = fd_argument(info[0]);
  const std::size_t page_count = size_argument(info[1]);
  return host::HostCall<std::function<std::size_t()>>::start(info.Env(), {}, [fd, page_count] {
    const auto shared = host::Mapping::shared(fd, (page_count + 63) / 64 * 8);
    auto* words = reinterpret_cast<std::uint64_t*>(shared.data());
    return host::count_bitmap({words, shared.size() / 8});
  });
}

// findPopulated(fd, pageCount, outBitmap)
Napi::Value find_populated(const Napi::CallbackInfo& info) {
  const int fd = fd_argument(info[0]);
  const std::size_t page_count = size_argument(info[1]);
  const host::Bitmap out = bitmap_argument(info[2], page_count);
  return host::HostCall<std::function<std::size_t()>>::start(
      info.Env(), {info[2].As<Napi::Object>()}, [fd, page_count, out]() -> std::size_t {
        host::find_populated(fd, page_count, out);
        return 0;
      });
}

// Throws a RangeError where `pages` has not a page for each of `pfns`.
void check_page_count(const Napi::CallbackInfo& info) {
  const auto pfns = info[1].As<Napi::Uint32Array>();
  const auto pages = info[2].As<Napi::Uint8Array>();
  if (pages.ByteLength() < pfns.ElementLength() * kPageBytes) {
    throw Napi::RangeError::New(info.Env(), "pages: 4096 bytes for each pfn");
  }
}

// readPages(fd, pfns, outPages) and writePages(fd, pfns, pages)
Napi::Value read_pages(const Napi::CallbackInfo& info) {
  check_page_count(info);
  const int fd = fd_argument(info[0]);
  const auto pfns = span_of<Napi::Uint32Array, const std::uint32_t>(info[1]);
  const auto out = span_of<Napi::Uint8Array, std::byte>(info[2]);
  return host::HostCall<std::function<std::size_t()>>::start(
      info.Env(), {info[1].As<Napi::Object>(), info[2].As<Napi::Object>()},
      [fd, pfns, out]() -> std::size_t {
        host::read_pages(fd, pfns, out);
        return pfns.size();
      });
}

Napi::Value write_pages(const Napi::CallbackInfo& info) {
  check_page_count(info);
  const int fd = fd_argument(info[0]);
  const auto pfns = span_of<Napi::Uint32Array, const std::uint32_t>(info[1]);
  const auto pages = span_of<Napi::Uint8Array, const std::byte>(info[2]);
  return host::HostCall<std::function<std::size_t()>>::start(
      info.Env(), {info[1].As<Napi::Object>(), info[2].As<Napi::Object>()},
      [fd, pfns, pages]() -> std::size_t {
        host::write_pages(fd, pfns, pages);
        return pfns.size();
      });
}

// writeTrackingObstacle(): a reason, or undefined.
Napi::Value write_tracking_obstacle(const Napi::CallbackInfo& info) {
  const std::string reason = host::write_tracking_obstacle();
  return reason.empty() ? info.Env().Undefined() : Napi::String::New(info.Env(), reason);
}

// locateLibrary(soname): { path } or { reason }.
Napi::Value locate_library(const Napi::CallbackInfo& info) {
  const auto place = host::locate_library(info[0].As<Napi::String>().Utf8Value());
  auto result = Napi::Object::New(info.Env());
  if (place.reason.empty()) {
    result["path"] = place.path;
  } else {
    result["reason"] = place.reason;
  }
  return result;
}

// readCpuid(leaf, subleaf): [eax, ebx, ecx, edx], or undefined.
Napi::Value read_cpuid(const Napi::CallbackInfo& info) {
  const auto registers = host::read_cpuid(info[0].As<Napi::Number>().Uint32Value(),
                                          info[1].As<Napi::Number>().Uint32Value());
  if (!registers) return info.Env().Undefined();
  auto result = Napi::Array::New(info.Env(), registers->size());
  for (std::uint32_t index = 0; index < registers->size(); ++index) {
    result[index] = (*registers)[index];
  }
  return result;
}

Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  host::set_error_class(info);
  return info.Env().Undefined();
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  const auto add = [&](const char* name, Napi::Value (*call)(const Napi::CallbackInfo&)) {
    exports[name] = Napi::Function::New(env, call, name);
  };
  exports["abiVersion"] = Napi::Number::New(env, kAbiVersion);
  add("setErrorClass", set_error_class);
  add("mapWindow", map_window);
  add("unmapWindow", unmap_window);
  add("scanWritten", scan_written);
  add("exchangeBitmap", exchange_bitmap);
  add("countBitmap", count_bitmap);
  add("findPopulated", find_populated);
  add("readPages", read_pages);
  add("writePages", write_pages);
  add("writeTrackingObstacle", write_tracking_obstacle);
  add("locateLibrary", locate_library);
  add("readCpuid", read_cpuid);
  return exports;
}

}  // namespace

NODE_API_MODULE(host, init)
