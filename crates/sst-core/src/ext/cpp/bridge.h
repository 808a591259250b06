// What every file of the bridge shares. The functions are C: they return 0, or 1 with a message that
// sst_last_error() hands over, and no C++ exception crosses into Rust.
#pragma once
#include <torch/torch.h>

#include <exception>
#include <string>

extern thread_local std::string sst_error;

#define SST_GUARD(...)                \
  try {                               \
    __VA_ARGS__;                      \
    return 0;                         \
  } catch (const std::exception& e) { \
    sst_error = e.what();             \
    return 1;                         \
  } catch (...) {                     \
    sst_error = "unknown exception";  \
    return 1;                         \
  }

using TensorPtr = torch::Tensor*;

// In the functions of a node of autograd, which has the graph itself: operators need not ask whether they belong to it.
using Below = at::AutoDispatchBelowADInplaceOrView;

inline std::vector<torch::Tensor> sst_list(size_t n, TensorPtr const* tensors) {
  std::vector<torch::Tensor> list;
  list.reserve(n);
  for (size_t i = 0; i < n; ++i) list.push_back(*tensors[i]);
  return list;
}
