// The whole C++ bridge as one translation unit: libtorch's headers are parsed once instead of once a file.
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

// No stack of libtorch's own functions in its errors: thirty lines that tell a user nothing, and whose making can crash
// where memory is short. Set when the program is loaded, so that it holds for the errors that tch hands over too.
[[maybe_unused]] const bool sst_errors_are_short = [] {
  c10::SetStackTraceFetcher([]() -> std::string { return {}; });
  return true;
}();
