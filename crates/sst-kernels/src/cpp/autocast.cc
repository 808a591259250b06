// Autocast for any type and device. The previous state is returned, so that Rust can restore it even after a panic.
#include "bridge.h"

namespace sst::autocast {

extern "C" int sst_autocast_enter(int cuda, int enabled, int8_t dtype, int* before_enabled,
                                  int8_t* before_dtype) {
  SST_GUARD({
    auto device = cuda ? at::kCUDA : at::kCPU;
    *before_enabled = at::autocast::is_autocast_enabled(device);
    *before_dtype = static_cast<int8_t>(at::autocast::get_autocast_dtype(device));
    at::autocast::increment_nesting();
    at::autocast::set_autocast_enabled(device, enabled != 0);
    at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(dtype));
  })
}

// Returns whether matrix products on the device are cast, and to which type.
extern "C" int sst_autocast_state(int cuda, int* enabled, int8_t* dtype) {
  SST_GUARD({
    auto device = cuda ? at::kCUDA : at::kCPU;
    *enabled = at::autocast::is_autocast_enabled(device) ? 1 : 0;
    *dtype = static_cast<int8_t>(at::autocast::get_autocast_dtype(device));
  })
}

extern "C" int sst_autocast_leave(int cuda, int before_enabled, int8_t before_dtype) {
  SST_GUARD({
    auto device = cuda ? at::kCUDA : at::kCPU;
    // The cache holds cast weights, which are stale after the next update.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device, before_enabled != 0);
    at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(before_dtype));
  })
}

// Clears the cache of cast weights.
extern "C" int sst_autocast_clear() {
  SST_GUARD({ at::autocast::clear_cache(); })
}

}  // namespace sst::autocast
