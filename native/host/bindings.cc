#include <napi.h>

namespace {
Napi::Object init(Napi::Env, Napi::Object exports) { return exports; }
}  // namespace

NODE_API_MODULE(host, init)
