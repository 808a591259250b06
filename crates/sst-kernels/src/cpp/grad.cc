// Functions on gradients: resetting to none, gradients that are known before the backward pass, and the global norm.
#include "bridge.h"

namespace sst::grad {

using torch::autograd::variable_list;

// An autograd node whose gradients are known before the backward pass, which multiplies them by the incoming
// gradient.
struct KnownGradients : torch::autograd::Node {
  variable_list gradients;

  variable_list apply(variable_list&& grads) override {
    TORCH_CHECK(!gradients.empty(), "gradients that were known before can be used once");
    auto found = std::move(gradients);
    gradients.clear();
    at::NoGradGuard guard;
    // In place, as they may be as large as the vocabulary projection. The factor is a scalar and keeps its own
    // precision.
    const auto& factor = grads[0];
    if (factor.is_cpu() && factor.item<double>() == 1) return found;
    for (auto& gradient : found) gradient.mul_(factor);
    return found;
  }

  void release_variables() override { gradients.clear(); }
  std::string name() const override { return "KnownGradients"; }
};

extern "C" int sst_grad_enabled(int* enabled) {
  SST_GUARD({ *enabled = at::GradMode::is_enabled(); })
}

extern "C" int sst_with_gradients(TensorPtr value, size_t n, TensorPtr const* inputs, TensorPtr const* gradients,
                                  TensorPtr* result) {
  SST_GUARD({
    std::shared_ptr<KnownGradients> node(new KnownGradients(), torch::autograd::deleteNode);
    node->set_next_edges(torch::autograd::collect_next_edges(sst_list(n, inputs)));
    node->gradients = sst_list(n, gradients);
    auto made = value->detach().clone();
    torch::autograd::create_gradient_edge(made, node);
    *result = new at::Tensor(made);
  })
}

// Frees the gradients, so that the next backward pass writes them instead of adding to zeros.
extern "C" int sst_grad_reset(size_t n, TensorPtr const* params) {
  SST_GUARD(for (size_t i = 0; i < n; ++i) params[i]->mutable_grad().reset())
}

// Adds each gradient of `from` to that of `to` and frees it. The type is that of the tensor in `to`, unless keep_type
// is set and it has no gradient.
extern "C" int sst_grad_move(size_t n, TensorPtr const* from, TensorPtr const* to, int keep_type) {
  SST_GUARD({
    at::NoGradGuard guard;
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

// The 2-norm over all tensors, an fp32 scalar on their device, without synchronisation with the host.
extern "C" int sst_global_norm(size_t n, TensorPtr const* tensors, TensorPtr* norm) {
  SST_GUARD({
    at::NoGradGuard guard;
    auto norms = at::_foreach_norm(sst_list(n, tensors), 2);
    *norm = new at::Tensor(at::linalg_vector_norm(at::stack(norms), 2));
  })
}

}  // namespace sst::grad
