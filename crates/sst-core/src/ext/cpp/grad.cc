// Gradients: set to none rather than zeroed, and their global norm in one pass.
#include "bridge.h"

// Frees the gradients, so that the next backward sets them instead of adding to zeros.
extern "C" int sst_grad_reset(size_t n, TensorPtr const* params) {
  SST_GUARD(for (size_t i = 0; i < n; ++i) params[i]->mutable_grad().reset())
}

// Adds each gradient in `from` to that in `to`, in the type of the tensor there unless keep_type, and frees it.
extern "C" int sst_grad_move(size_t n, TensorPtr const* from, TensorPtr const* to, int keep_type) {
  SST_GUARD({
    torch::NoGradGuard guard;
    for (size_t i = 0; i < n; ++i) {
      auto& grad = from[i]->mutable_grad();
      if (!grad.defined()) continue;
      auto& sum = to[i]->mutable_grad();
      if (sum.defined()) {
        sum.add_(grad);
      } else {
        sum = keep_type ? grad : grad.to(to[i]->scalar_type());
      }
      grad.reset();
    }
  })
}

// The 2-norm over all tensors, a float scalar on their device; no host synchronisation.
extern "C" int sst_global_norm(size_t n, TensorPtr const* tensors, TensorPtr* norm) {
  SST_GUARD({
    torch::NoGradGuard guard;
    auto norms = at::_foreach_norm(sst_list(n, tensors), 2);
    *norm = new torch::Tensor(at::linalg_vector_norm(at::stack(norms), 2));
  })
}
