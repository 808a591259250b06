// Gradients: set to none rather than zeroed, and their global norm in one pass.
#include "bridge.h"

// Frees the gradients, so that the next backward sets them instead of adding to zeros.
extern "C" int sst_grad_reset(size_t n, TensorPtr const* params) {
  SST_GUARD(for (size_t i = 0; i < n; ++i) params[i]->mutable_grad().reset())
}

// The 2-norm over all tensors, a float scalar on their device; no host synchronisation.
extern "C" int sst_global_norm(size_t n, TensorPtr const* tensors, TensorPtr* norm) {
  SST_GUARD({
    torch::NoGradGuard guard;
    auto norms = at::_foreach_norm(sst_list(n, tensors), 2);
    *norm = new torch::Tensor(at::linalg_vector_norm(at::stack(norms), 2));
  })
}
