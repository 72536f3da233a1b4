// What JavaScript sees of the engine: raw operations, one function a variant chosen at load. The
// arguments are checked by src/engine/checked.ts, the same way for every engine; nothing else may
// call these.
#include <napi.h>

#include <cstdint>
#include <span>

#include "dispatch.h"
#include "page_head.h"

namespace {

using namespace xenferry::engine;

constexpr std::uint32_t kAbiVersion = 1;
#ifdef NDEBUG
constexpr bool kIsRelease = true;
#else
constexpr bool kIsRelease = false;
#endif

// A typed array's elements, without asking for its buffer (which would cost a handle).
template <typename Element>
std::span<Element> elements(const Napi::CallbackInfo& info, std::size_t at) {
  void* data = nullptr;
  std::size_t length = 0;
  napi_get_typedarray_info(info.Env(), info[at], nullptr, &length, &data, nullptr, nullptr);
  return {static_cast<Element*>(data), length};
}

std::span<std::byte> bytes(const Napi::CallbackInfo& info, std::size_t at) {
  return elements<std::byte>(info, at);
}

const Dispatch& dispatch_of(const Napi::CallbackInfo& info) {
  return *static_cast<const Dispatch*>(info.Data());
}

Napi::Value count_of(const Napi::CallbackInfo& info, std::size_t count) {
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

Napi::Value scan_bitmap(const Napi::CallbackInfo& info) {
  const double first = info[1].As<Napi::Number>().DoubleValue();
  return count_of(
      info, dispatch_of(info).scan_bitmap.function(bytes(info, 0), static_cast<std::size_t>(first),
                                                   elements<std::uint32_t>(info, 2)));
}

Napi::Value count_bitmap(const Napi::CallbackInfo& info) {
  return count_of(info, dispatch_of(info).count_bitmap.function(bytes(info, 0)));
}

Napi::Value or_bitmap(const Napi::CallbackInfo& info) {
  return count_of(info, dispatch_of(info).or_bitmap.function(bytes(info, 0), bytes(info, 1)));
}

Napi::Value find_zero_pages(const Napi::CallbackInfo& info) {
  return count_of(info, dispatch_of(info).find_zero_pages.function(
                            bytes(info, 0), elements<const std::uint32_t>(info, 1),
                            elements<std::uint8_t>(info, 2)));
}

Napi::Value gather(const Napi::CallbackInfo& info) {
  const auto indexes = elements<const std::uint32_t>(info, 1);
  return count_of(info, gather_pages(bytes(info, 0), indexes, bytes(info, 2)));
}

Napi::Value scatter(const Napi::CallbackInfo& info) {
  const auto indexes = elements<const std::uint32_t>(info, 1);
  return count_of(info, scatter_pages(bytes(info, 0), indexes, bytes(info, 2)));
}

Napi::Value compare(const Napi::CallbackInfo& info) {
  const auto indexes = elements<const std::uint32_t>(info, 1);
  return count_of(info, compare_pages(bytes(info, 0), indexes, bytes(info, 2),
                                      elements<std::uint8_t>(info, 3)));
}

Napi::Value checksum(const Napi::CallbackInfo& info) {
  return count_of(info, dispatch_of(info).checksum_pages.function(
                            bytes(info, 0), elements<const std::uint32_t>(info, 1),
                            elements<std::uint32_t>(info, 2)));
}

Napi::Value encode_head(const Napi::CallbackInfo& info) {
  return count_of(info,
                  encode_page_data_head(elements<const std::uint32_t>(info, 0),
                                        elements<const std::uint8_t>(info, 1), bytes(info, 2)));
}

Napi::Value decode_head(const Napi::CallbackInfo& info) {
  return count_of(info, decode_page_data_head(bytes(info, 0), elements<std::uint32_t>(info, 1),
                                              elements<std::uint8_t>(info, 2)));
}

Napi::Object operations_with(Napi::Env env, const Dispatch* dispatch) {
  Napi::Object operations = Napi::Object::New(env);
  const auto add = [&](const char* name, Napi::Value (*call)(const Napi::CallbackInfo&)) {
    operations[name] = Napi::Function::New(env, call, name, const_cast<Dispatch*>(dispatch));
  };
  add("scanBitmap", scan_bitmap);
  add("countBitmap", count_bitmap);
  add("orBitmap", or_bitmap);
  add("findZeroPages", find_zero_pages);
  add("gatherPages", gather);
  add("scatterPages", scatter);
  add("comparePages", compare);
  add("checksumPages", checksum);
  add("encodePageDataHead", encode_head);
  add("decodePageDataHead", decode_head);
  return operations;
}

Napi::Object names_of(Napi::Env env, const Dispatch& dispatch) {
  Napi::Object names = Napi::Object::New(env);
  names["scanBitmap"] = dispatch.scan_bitmap.name;
  names["countBitmap"] = dispatch.count_bitmap.name;
  names["orBitmap"] = dispatch.or_bitmap.name;
  names["findZeroPages"] = dispatch.find_zero_pages.name;
  for (const char* copying : {"gatherPages", "scatterPages"}) names[copying] = "memcpy";
  names["comparePages"] = "memcmp";
  names["checksumPages"] = dispatch.checksum_pages.name;
  for (const char* head : {"encodePageDataHead", "decodePageDataHead"}) names[head] = "words";
  return names;
}

Napi::Object engine_with(Napi::Env env, const Dispatch* dispatch) {
  Napi::Object engine = Napi::Object::New(env);
  engine["operations"] = operations_with(env, dispatch);
  engine["variants"] = names_of(env, *dispatch);
  return engine;
}

// The portable variant of each operation, and the last one that can run here: so that tests reach
// those that measuring did not choose.
Dispatch extreme_dispatch(bool is_portable) {
  const auto pick = [is_portable](const auto& variants) {
    return is_portable ? variants.front() : variants.back();
  };
  return {
      .scan_bitmap = pick(scan_bitmap_variants()),
      .count_bitmap = pick(count_bitmap_variants()),
      .or_bitmap = pick(or_bitmap_variants()),
      .find_zero_pages = pick(find_zero_pages_variants()),
      .checksum_pages = pick(checksum_pages_variants()),
  };
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  static const Dispatch kMeasured = measured_dispatch();
  static const Dispatch kPortable = extreme_dispatch(true);
  static const Dispatch kWidest = extreme_dispatch(false);
  exports["abiVersion"] = Napi::Number::New(env, kAbiVersion);
  exports["isRelease"] = Napi::Boolean::New(env, kIsRelease);
  exports["measured"] = engine_with(env, &kMeasured);
  exports["portable"] = engine_with(env, &kPortable);
  exports["widest"] = engine_with(env, &kWidest);
  return exports;
}

}  // namespace

NODE_API_MODULE(engine, init)
