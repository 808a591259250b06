// Loss scaling: unscales fp16 gradients and checks that they are finite.
#include "bridge.h"

namespace sst::amp {

// found_inf: an fp32 tensor of one element. It is set to 1 if a gradient is not finite, and otherwise unchanged.
extern "C" int sst_amp_unscale(size_t n, TensorPtr const* grads, TensorPtr found_inf,
                               TensorPtr inv_scale) {
  SST_GUARD({
    at::NoGradGuard guard;
    at::_amp_foreach_non_finite_check_and_unscale_(sst_list(n, grads), *found_inf, *inv_scale);
  })
}

}  // namespace sst::amp
