// The fused AdamW kernel, which tch's generator leaves out.
#include "bridge.h"

// grad_scale (may be null): gradients are divided by it first. found_inf (may be null): a scalar; where
// it is 1 the kernel changes nothing.
extern "C" int sst_fused_adamw(size_t n, TensorPtr const* params, TensorPtr const* grads,
                               TensorPtr const* exp_avgs, TensorPtr const* exp_avg_sqs,
                               TensorPtr const* steps, double lr, double beta1, double beta2,
                               double weight_decay, double eps, TensorPtr grad_scale,
                               TensorPtr found_inf) {
  SST_GUARD({
    torch::NoGradGuard guard;
    std::optional<at::Tensor> scale;
    std::optional<at::Tensor> inf;
    if (grad_scale != nullptr) scale = *grad_scale;
    if (found_inf != nullptr) inf = *found_inf;
    at::_fused_adamw_(sst_list(n, params), sst_list(n, grads), sst_list(n, exp_avgs),
                      sst_list(n, exp_avg_sqs), {}, sst_list(n, steps), lr, beta1, beta2, weight_decay,
                      eps, /*amsgrad=*/false, /*maximize=*/false, scale, inf);
  })
}
