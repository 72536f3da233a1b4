// Failed system calls as the project's own error class, which JavaScript hands in at load.
#pragma once

#include <napi.h>

#include <system_error>

namespace xenferry::host {

// Keeps the class that errors are made of.
void set_error_class(const Napi::CallbackInfo& info);

// A MigrationError of code GUEST_HOST_CALL that names the call and its errno.
Napi::Value make_failure(Napi::Env env, const std::system_error& error);

}  // namespace xenferry::host
