#include <napi.h>

#include <algorithm>

#include "../napi_args.h"
#include "baselines.h"
#include "dispatch.h"

// The add-on's only door. Contract: PageOperations in src/engine/types.ts, whose checks are done
// here, all of them before an operation runs. Twin of the checks: src/engine/checked.ts.
namespace xenferry::engine {
namespace {

// Equal to ENGINE_ABI_VERSION in src/engine/types.ts; the loader compares them.
constexpr std::uint32_t kAbiVersion = 2;

constexpr std::size_t kBitmapBytesMax = std::size_t{1} << 29;
constexpr std::uint64_t kWindowBytesMax = std::uint64_t{1} << 32;

using Info = Napi::CallbackInfo;

Bytes bitmap_argument(const Info& info, std::size_t index, const char* name) {
  const Bytes bitmap = args::array<std::uint8_t>(info, index, name);
  args::require(bitmap.size() % kWordBytes == 0 && bitmap.size() <= kBitmapBytesMax, info, name,
                "is not a multiple of 8 bytes, up to 2^29");
  return bitmap;
}

Bytes window_argument(const Info& info, std::size_t index) {
  const Bytes window = args::array<std::uint8_t>(info, index, "window");
  args::require(window.size() % kPageBytes == 0 && window.size() <= kWindowBytesMax, info, "window",
                "is not whole pages, up to 4 GiB");
  return window;
}

void require_indexes(const Info& info, ConstWords page_indexes, ConstBytes window) {
  const std::size_t page_count = window.size() / kPageBytes;
  const auto highest = std::max_element(page_indexes.begin(), page_indexes.end());
  if (highest == page_indexes.end() || *highest < page_count) return;
  throw Napi::RangeError::New(info.Env(), "page " + std::to_string(*highest) +
                                              " is outside a window of " +
                                              std::to_string(page_count) + " pages");
}

Napi::Value number(const Info& info, std::uint64_t count) {
  return Napi::Number::New(info.Env(), static_cast<double>(count));
}

// An engine with its own choice of variants: `new Engine({ scanBitmap: "portable" })` runs what is
// named and, for the rest, what measured fastest.
class Engine : public Napi::ObjectWrap<Engine> {
 public:
  explicit Engine(const Info& info);

  static Napi::Function define(Napi::Env env);

 private:
  Napi::Value name(const Info& info) { return Napi::String::New(info.Env(), "native"); }
  Napi::Value variants(const Info& info);
  Napi::Value scan_bitmap(const Info& info);
  Napi::Value count_bitmap(const Info& info);
  Napi::Value or_bitmap(const Info& info);
  Napi::Value find_zero_pages(const Info& info);
  Napi::Value gather_pages(const Info& info);
  Napi::Value scatter_pages(const Info& info);
  Napi::Value compare_pages(const Info& info);
  Napi::Value checksum_pages(const Info& info);
  Napi::Value digest_pages(const Info& info);
  Napi::Value encode_page_data_head(const Info& info);
  Napi::Value decode_page_data_head(const Info& info);

  Operations operations_;
};

Engine::Engine(const Info& info) : ObjectWrap(info), operations_(native_operations()) {
  if (info[0].IsUndefined()) return;
  if (!info[0].IsObject()) throw Napi::TypeError::New(info.Env(), "variants must be an object");
  const auto named = info[0].As<Napi::Object>();
  for_each_operation(operations_, [&](auto& operation) {
    const Napi::Value value = named.Get(std::string(operation.name()));
    if (value.IsUndefined()) return;
    const std::string variant_name = value.ToString();
    const auto variant = operation.find(variant_name);
    args::require(variant.has_value(), info, variant_name.c_str(),
                  "is no variant that can run here");
    operation.choose(*variant);
  });
}

Napi::Function Engine::define(Napi::Env env) {
  return DefineClass(env, "NativeEngine",
                     {InstanceAccessor<&Engine::name>("name", napi_enumerable),
                      InstanceAccessor<&Engine::variants>("variants", napi_enumerable),
                      InstanceMethod<&Engine::scan_bitmap>("scanBitmap"),
                      InstanceMethod<&Engine::count_bitmap>("countBitmap"),
                      InstanceMethod<&Engine::or_bitmap>("orBitmap"),
                      InstanceMethod<&Engine::find_zero_pages>("findZeroPages"),
                      InstanceMethod<&Engine::gather_pages>("gatherPages"),
                      InstanceMethod<&Engine::scatter_pages>("scatterPages"),
                      InstanceMethod<&Engine::compare_pages>("comparePages"),
                      InstanceMethod<&Engine::checksum_pages>("checksumPages"),
                      InstanceMethod<&Engine::digest_pages>("digestPages"),
                      InstanceMethod<&Engine::encode_page_data_head>("encodePageDataHead"),
                      InstanceMethod<&Engine::decode_page_data_head>("decodePageDataHead")});
}

Napi::Value Engine::variants(const Info& info) {
  auto chosen = Napi::Object::New(info.Env());
  for_each_operation(operations_, [&](const auto& operation) {
    chosen.Set(std::string(operation.name()), std::string(operation.chosen().name));
  });
  return chosen;
}

Napi::Value Engine::scan_bitmap(const Info& info) {
  const ConstBytes bitmap = bitmap_argument(info, 0, "bitmap");
  const std::uint64_t first_pfn = args::whole_number(info, 1, "firstPfn");
  const Words out_pfns = args::array<std::uint32_t>(info, 2, "outPfns");
  args::require_apart(info, "outPfns", std::as_bytes(out_pfns), std::as_bytes(bitmap));
  return number(info, operations_.scan_bitmap.run()(bitmap, first_pfn, out_pfns));
}

Napi::Value Engine::count_bitmap(const Info& info) {
  return number(info, operations_.count_bitmap.run()(bitmap_argument(info, 0, "bitmap")));
}

Napi::Value Engine::or_bitmap(const Info& info) {
  const Bytes into = bitmap_argument(info, 0, "into");
  const ConstBytes from = bitmap_argument(info, 1, "from");
  args::require(into.size() == from.size(), info, "into", "has another length than from");
  args::require_apart(info, "into", std::as_bytes(into), std::as_bytes(from));
  return number(info, operations_.or_bitmap.run()(into, from));
}

Napi::Value Engine::find_zero_pages(const Info& info) {
  const ConstBytes window = window_argument(info, 0);
  const ConstWords page_indexes = args::array<std::uint32_t>(info, 1, "pageIndexes");
  const Bytes out_is_zero = args::array<std::uint8_t>(info, 2, "outIsZero");
  args::require_room(info, "outIsZero", out_is_zero, page_indexes.size());
  args::require_apart(info, "outIsZero", std::as_bytes(out_is_zero), std::as_bytes(window),
                      std::as_bytes(page_indexes));
  require_indexes(info, page_indexes, window);
  return number(info, operations_.find_zero_pages.run()(window, page_indexes, out_is_zero));
}

Napi::Value Engine::gather_pages(const Info& info) {
  const ConstBytes window = window_argument(info, 0);
  const ConstWords page_indexes = args::array<std::uint32_t>(info, 1, "pageIndexes");
  const Bytes out_pages = args::array<std::uint8_t>(info, 2, "outPages");
  args::require_room(info, "outPages", out_pages, page_indexes.size() * kPageBytes);
  args::require_apart(info, "outPages", std::as_bytes(out_pages), std::as_bytes(window),
                      std::as_bytes(page_indexes));
  require_indexes(info, page_indexes, window);
  return number(info, operations_.gather_pages.run()(window, page_indexes, out_pages));
}

Napi::Value Engine::scatter_pages(const Info& info) {
  const ConstBytes pages = args::array<std::uint8_t>(info, 0, "pages");
  const ConstWords page_indexes = args::array<std::uint32_t>(info, 1, "pageIndexes");
  const Bytes window = window_argument(info, 2);
  args::require_room(info, "pages", pages, page_indexes.size() * kPageBytes);
  args::require_apart(info, "window", std::as_bytes(window), std::as_bytes(pages),
                      std::as_bytes(page_indexes));
  require_indexes(info, page_indexes, window);
  return number(info, operations_.scatter_pages.run()(pages, page_indexes, window));
}

Napi::Value Engine::compare_pages(const Info& info) {
  const ConstBytes window = window_argument(info, 0);
  const ConstWords page_indexes = args::array<std::uint32_t>(info, 1, "pageIndexes");
  const ConstBytes pages = args::array<std::uint8_t>(info, 2, "pages");
  const Bytes out_differs = args::array<std::uint8_t>(info, 3, "outDiffers");
  args::require_room(info, "pages", pages, page_indexes.size() * kPageBytes);
  args::require_room(info, "outDiffers", out_differs, page_indexes.size());
  args::require_apart(info, "outDiffers", std::as_bytes(out_differs), std::as_bytes(window),
                      std::as_bytes(page_indexes), std::as_bytes(pages));
  require_indexes(info, page_indexes, window);
  return number(info, operations_.compare_pages.run()(window, page_indexes, pages, out_differs));
}

Napi::Value Engine::checksum_pages(const Info& info) {
  const ConstBytes window = window_argument(info, 0);
  const ConstWords page_indexes = args::array<std::uint32_t>(info, 1, "pageIndexes");
  const Words out_crcs = args::array<std::uint32_t>(info, 2, "outCrcs");
  args::require_room(info, "outCrcs", out_crcs, page_indexes.size());
  args::require_apart(info, "outCrcs", std::as_bytes(out_crcs), std::as_bytes(window),
                      std::as_bytes(page_indexes));
  require_indexes(info, page_indexes, window);
  return number(info, operations_.checksum_pages.run()(window, page_indexes, out_crcs));
}

Napi::Value Engine::digest_pages(const Info& info) {
  const ConstBytes window = window_argument(info, 0);
  const ConstWords page_indexes = args::array<std::uint32_t>(info, 1, "pageIndexes");
  const ConstBytes key = args::array<std::uint8_t>(info, 2, "key");
  const Bytes out_digests = args::array<std::uint8_t>(info, 3, "outDigests");
  args::require(key.size() == kDigestKeyBytes, info, "key", "has another length than 4144 bytes");
  args::require_room(info, "outDigests", out_digests, page_indexes.size() * kDigestBytes);
  args::require_apart(info, "outDigests", std::as_bytes(out_digests), std::as_bytes(window),
                      std::as_bytes(page_indexes), std::as_bytes(key));
  require_indexes(info, page_indexes, window);
  return number(info, operations_.digest_pages.run()(window, page_indexes, key, out_digests));
}

Napi::Value Engine::encode_page_data_head(const Info& info) {
  const ConstWords pfns = args::array<std::uint32_t>(info, 0, "pfns");
  const ConstBytes types = args::array<std::uint8_t>(info, 1, "types");
  const Bytes out = args::array<std::uint8_t>(info, 2, "out");
  args::require(pfns.size() <= kHeadPagesMax, info, "pfns", "has more entries than fit one record");
  args::require_room(info, "types", types, pfns.size());
  args::require_room(info, "out", out, kHeadBytes + kPfnWordBytes * pfns.size());
  args::require_apart(info, "out", std::as_bytes(out), std::as_bytes(pfns), std::as_bytes(types));
  const ConstBytes used_types = types.first(pfns.size());
  const bool are_types = std::all_of(used_types.begin(), used_types.end(),
                                     [](std::uint8_t type) { return type <= kPageTypeMax; });
  args::require(are_types, info, "types", "has one above 15");
  return number(info, operations_.encode_page_data_head.run()(pfns, types, out));
}

Napi::Value Engine::decode_page_data_head(const Info& info) {
  const ConstBytes words = args::array<std::uint8_t>(info, 0, "words");
  const Words out_pfns = args::array<std::uint32_t>(info, 1, "outPfns");
  const Bytes out_types = args::array<std::uint8_t>(info, 2, "outTypes");
  args::require(words.size() % kPfnWordBytes == 0, info, "words", "is not a multiple of 8 bytes");
  const std::size_t word_count = words.size() / kPfnWordBytes;
  args::require_room(info, "outPfns", out_pfns, word_count);
  args::require_room(info, "outTypes", out_types, word_count);
  args::require_apart(info, "outPfns", std::as_bytes(out_pfns), std::as_bytes(words),
                      std::as_bytes(out_types));
  args::require_apart(info, "outTypes", std::as_bytes(out_types), std::as_bytes(words));
  return number(info, operations_.decode_page_data_head.run()(words, out_pfns, out_types));
}

// Names of the variants that can run here, by operation.
Napi::Object runnable_variants(Napi::Env env) {
  auto runnable = Napi::Object::New(env);
  for_each_operation(native_operations(), [&](const auto& operation) {
    auto names = Napi::Array::New(env);
    for (const auto& variant : operation.variants()) {
      names.Set(names.Length(), std::string(variant.name));
    }
    runnable.Set(std::string(operation.name()), names);
  });
  return runnable;
}

// For bench/ only: see baselines.h.
Napi::Value sum_words(const Info& info) {
  const ConstBytes bytes = args::array<std::uint8_t>(info, 0, "bytes");
  return number(info, baselines::sum_words(bytes) & 0xffff'ffff);
}

// For bench/ only: see baselines.h.
Napi::Value list_bits(const Info& info) {
  const ConstBytes bitmap = bitmap_argument(info, 0, "bitmap");
  const Words out_pfns = args::array<std::uint32_t>(info, 1, "outPfns");
  args::require_apart(info, "outPfns", std::as_bytes(out_pfns), std::as_bytes(bitmap));
  return number(info, baselines::list_bits(bitmap, out_pfns));
}

Napi::Object baseline_functions(Napi::Env env) {
  auto functions = Napi::Object::New(env);
  functions.Set("sumWords", Napi::Function::New<sum_words>(env, "sumWords"));
  functions.Set("listBits", Napi::Function::New<list_bits>(env, "listBits"));
  return functions;
}

constexpr const char* build_flavour() {
#if defined(DEBUG) || (defined(__GNUC__) && !defined(__OPTIMIZE__))
  return "debug";
#else
  return "release";
#endif
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("ABI_VERSION", kAbiVersion);
  exports.Set("BUILD_FLAVOUR", build_flavour());
  exports.Set("runnableVariants", runnable_variants(env));
  exports.Set("baselines", baseline_functions(env));
  exports.Set("Engine", Engine::define(env));
  return exports;
}

}  // namespace
}  // namespace xenferry::engine

// The macro pastes its second argument into a name, so the function must have a plain one.
static Napi::Object init_engine(Napi::Env env, Napi::Object exports) {
  return xenferry::engine::init(env, exports);
}

NODE_API_MODULE(engine, init_engine)
