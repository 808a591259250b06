// The whole C++ bridge as one translation unit, so that libtorch's headers are parsed once.
#include "allocator.cc"
#include "amp.cc"
#include "attention.cc"
#include "autocast.cc"
#include "checkpoint.cc"
#include "cpu.cc"
#include "device.cc"
#include "embedding.cc"
#include "grad.cc"
#include "joint.cc"
#include "linear.cc"
#include "memory.cc"
#include "optim.cc"
#include "parallel.cc"
#include "profile.cc"
#include "residual.cc"

// Removes libtorch's stack traces from its error messages: they do not help a user, and building them can crash when
// memory is short. Set when the program is loaded, so that it also holds for errors that tch returns.
[[maybe_unused]] const bool sst_errors_are_short = [] {
  c10::SetStackTraceFetcher([]() -> std::string { return {}; });
  return true;
}();
