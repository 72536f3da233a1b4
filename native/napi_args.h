#pragma once

#include <napi.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

// Argument checks of the add-ons: another kind of value throws a TypeError, a value out of range
// a RangeError, both naming the argument.
namespace xenferry::args {

template <typename T>
struct ArrayKind;

template <>
struct ArrayKind<std::uint8_t> {
  static constexpr napi_typedarray_type kType = napi_uint8_array;
  static constexpr const char* kName = "a Uint8Array";
};

template <>
struct ArrayKind<std::uint32_t> {
  static constexpr napi_typedarray_type kType = napi_uint32_array;
  static constexpr const char* kName = "a Uint32Array";
};

inline void require(bool is_met, const Napi::CallbackInfo& info, const char* name,
                    const char* complaint) {
  if (!is_met) throw Napi::RangeError::New(info.Env(), std::string(name) + " " + complaint);
}

// The memory of the typed array at `index`, owned by JavaScript and good until the call returns.
template <typename T>
std::span<T> array(const Napi::CallbackInfo& info, std::size_t index, const char* name) {
  const Napi::Value value = info[index];
  napi_typedarray_type type = napi_int8_array;
  std::size_t length = 0;
  void* data = nullptr;
  const bool is_kind = value.IsTypedArray() &&
                       napi_get_typedarray_info(info.Env(), value, &type, &length, &data, nullptr,
                                                nullptr) == napi_ok &&
                       type == ArrayKind<T>::kType;
  if (!is_kind) {
    throw Napi::TypeError::New(info.Env(), std::string(name) + " must be " + ArrayKind<T>::kName);
  }
  return {static_cast<T*>(data), length};
}

// A whole number from 0 to 2^53 - 1.
inline std::uint64_t whole_number(const Napi::CallbackInfo& info, std::size_t index,
                                  const char* name) {
  constexpr double kSafeMax = 9007199254740991.0;
  const Napi::Value value = info[index];
  if (!value.IsNumber()) {
    throw Napi::TypeError::New(info.Env(), std::string(name) + " must be a number");
  }
  const double number = value.As<Napi::Number>().DoubleValue();
  require(number >= 0 && number <= kSafeMax && std::trunc(number) == number, info, name,
          "is not a whole number from 0");
  return static_cast<std::uint64_t>(number);
}

// `array` has at least `entry_count` entries.
template <typename T>
void require_room(const Napi::CallbackInfo& info, const char* name, std::span<T> array,
                  std::size_t entry_count) {
  if (array.size() >= entry_count) return;
  throw Napi::RangeError::New(info.Env(), std::string(name) + " has " +
                                              std::to_string(array.size()) + " entries, " +
                                              std::to_string(entry_count) + " are needed");
}

// `output` shares no memory with any of `others`.
template <typename T, typename... Others>
void require_apart(const Napi::CallbackInfo& info, const char* name, std::span<T> output,
                   const Others&... others) {
  const auto overlaps = [&](const auto& other) {
    const std::less<const void*> before;
    return !output.empty() && !other.empty() &&
           before(output.data(), other.data() + other.size()) &&
           before(other.data(), output.data() + output.size());
  };
  require(!(overlaps(others) || ...), info, name, "overlaps another argument");
}

}  // namespace xenferry::args
