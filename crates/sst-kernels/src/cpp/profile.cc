// libtorch's profiler: which operator ran when, on which thread.
#include "bridge.h"

namespace sst::profile {

namespace profiler = torch::autograd::profiler;
namespace impl = torch::profiler::impl;

// cuda: whether kernels on an accelerator are recorded too.
extern "C" int sst_profile_start(int cuda) {
  SST_GUARD({
    impl::ProfilerConfig config(impl::ProfilerState::KINETO, /*report_input_shapes=*/true);
    std::set<impl::ActivityType> activities{impl::ActivityType::CPU};
    if (cuda != 0) activities.insert(impl::ActivityType::CUDA);
    profiler::prepareProfiler(config, activities);
    profiler::enableProfiler(config, activities);
  })
}

// Calls `record` for every operator, with the shapes of its inputs, its thread (the stream on an accelerator), and
// its start and duration in nanoseconds. trace (may be null): the path of a Chrome trace. record may be null.
extern "C" int sst_profile_stop(const char* trace, void* context,
                                void (*record)(void*, const char*, const char*, uint64_t, uint64_t, uint64_t,
                                             int)) {
  SST_GUARD({
    auto result = profiler::disableProfiler();
    if (trace != nullptr) result->save(trace);
    if (record != nullptr) {
      for (const auto& event : result->events()) {
        if (event.isHiddenEvent()) continue;
        std::ostringstream shapes;
        if (event.hasShapes()) {
          for (const auto& shape : event.shapes()) {
            if (shape.empty()) continue;
            shapes << (shapes.tellp() > 0 ? " " : "");
            for (size_t i = 0; i < shape.size(); ++i) shapes << (i > 0 ? "x" : "") << shape[i];
          }
        }
        bool device = event.deviceType() != c10::DeviceType::CPU;
        uint64_t thread = device ? static_cast<uint64_t>(event.deviceResourceId()) : event.startThreadId();
        record(context, event.name().c_str(), shapes.str().c_str(), thread, event.startNs(),
             event.durationNs(), device ? 1 : 0);
      }
    }
  })
}

}  // namespace sst::profile
