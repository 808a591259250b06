// Declarations that all parts of the bridge share. The functions have a C interface: they return 0, or 1 with a
// message that sst_last_error() returns. No C++ exception crosses into Rust.
//
// bridge.cc includes every part, so that libtorch's headers are compiled once; each part has a namespace of its own.
// Only the headers of libtorch that are in use are included, as torch/torch.h takes half a minute to compile.
#pragma once
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>
#include <ATen/ops/_amp_foreach_non_finite_check_and_unscale.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <ATen/record_function.h>
#include <c10/core/CPUAllocator.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>
#include <c10/util/Logging.h>
#include <dlfcn.h>
#include <sys/mman.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/graph_task.h>
#include <torch/csrc/autograd/profiler_kineto.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <map>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

inline thread_local std::string sst_error;

#define SST_GUARD(...)                \
  try {                               \
    __VA_ARGS__;                      \
    return 0;                         \
  } catch (const c10::Error& e) {     \
    sst_error = e.what_without_backtrace(); \
    return 1;                         \
  } catch (const std::exception& e) { \
    sst_error = e.what();             \
    return 1;                         \
  } catch (...) {                     \
    sst_error = "unknown exception";  \
    return 1;                         \
  }

using TensorPtr = at::Tensor*;

// For functions of an autograd node, which records the graph itself: operators inside them skip autograd.
using Below = at::AutoDispatchBelowADInplaceOrView;

inline std::vector<at::Tensor> sst_list(size_t n, TensorPtr const* tensors) {
  std::vector<at::Tensor> list;
  list.reserve(n);
  for (size_t i = 0; i < n; ++i) list.push_back(*tensors[i]);
  return list;
}
