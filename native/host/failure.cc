#include "failure.h"

#include <memory>

namespace xenferry::host {
namespace {

struct AddonData {
  Napi::FunctionReference error_class;
};

}  // namespace

void set_error_class(const Napi::CallbackInfo& info) {
  auto data = std::make_unique<AddonData>();
  data->error_class = Napi::Persistent(info[0].As<Napi::Function>());
  info.Env().SetInstanceData(data.release());
}

Napi::Value make_failure(Napi::Env env, const std::system_error& error) {
  Napi::Object where = Napi::Object::New(env);
  where["call"] = Napi::String::New(env, error.what());
  where["errno"] = Napi::Number::New(env, error.code().value());
  const AddonData* data = env.GetInstanceData<AddonData>();
  return data->error_class.New({Napi::String::New(env, "GUEST_HOST_CALL"), where});
}

}  // namespace xenferry::host
