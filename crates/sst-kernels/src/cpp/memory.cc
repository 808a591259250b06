// Memory statistics of an accelerator, and the precision of its fp32 matrix products.
#include "bridge.h"

namespace sst::memory {

// now, peak: the bytes in use, and their maximum so far.
extern "C" int sst_device_memory(int device, int64_t* now, int64_t* peak) {
  SST_GUARD({
    auto stats = c10::getDeviceAllocator(at::kCUDA)->getDeviceStats(static_cast<c10::DeviceIndex>(device));
    const auto& bytes = stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
    *now = bytes.current;
    *peak = bytes.peak;
  })
}

extern "C" int sst_empty_cache() {
  SST_GUARD({ c10::getDeviceAllocator(at::kCUDA)->emptyCache(); })
}

extern "C" int sst_allow_tf32(int allow) {
  SST_GUARD({
    at::globalContext().setAllowTF32CuBLAS(allow != 0);
    at::globalContext().setAllowTF32CuDNN(allow != 0);
  })
}

extern "C" int sst_tf32_allowed(int* allowed) {
  SST_GUARD({ *allowed = at::globalContext().allowTF32CuBLAS() && at::globalContext().allowTF32CuDNN(); })
}

}  // namespace sst::memory
