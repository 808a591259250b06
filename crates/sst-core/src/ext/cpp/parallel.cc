// libtorch's threads for kernels in Rust.
#include <ATen/Parallel.h>
#include <ATen/record_function.h>

#include "bridge.h"

// Calls body(context, i) for each i below count, on several threads. name: for the profiler.
extern "C" int sst_parallel(const char* name, size_t count, void* context, void (*body)(void*, size_t)) {
  SST_GUARD({
    RECORD_FUNCTION(name, std::vector<c10::IValue>());
    at::parallel_for(0, static_cast<int64_t>(count), 1, [&](int64_t begin, int64_t end) {
      for (; begin < end; ++begin) body(context, static_cast<size_t>(begin));
    });
  })
}
