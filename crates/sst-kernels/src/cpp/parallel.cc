// libtorch's thread pool for kernels in Rust.
#include "bridge.h"

namespace sst::parallel {

// Calls body(context, i) for each i below count on several threads. A thread that finishes takes the next i, so that
// the others do not wait for one whose core is shared. name: for the profiler.
extern "C" int sst_parallel(const char* name, size_t count, void* context, void (*body)(void*, size_t)) {
  SST_GUARD({
    RECORD_FUNCTION(name, std::vector<c10::IValue>());
    std::atomic<size_t> next{0};
    auto threads = std::min(count, static_cast<size_t>(at::get_num_threads()));
    at::parallel_for(0, static_cast<int64_t>(threads), 1, [&](int64_t, int64_t) {
      for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(context, i);
    });
  })
}

}  // namespace sst::parallel
