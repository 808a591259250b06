// The fused AdamW kernel, which tch's generator leaves out, and what our own takes.
#include "bridge.h"

namespace sst::optim {

// `Plain` of optim/mod.rs.
struct SstPlain {
  void* data;
  size_t count;
  int kind;
};

// Where the numbers of tensors are and of which kind: 0 fp32, 1 bf16, 2 int16, -1 for what is none of these, or does not
// lie one after the other in the memory of the host.
extern "C" int sst_plain(size_t n, TensorPtr const* tensors, SstPlain* plain) {
  SST_GUARD(for (size_t i = 0; i < n; ++i) {
    const auto& tensor = *tensors[i];
    auto type = tensor.scalar_type();
    int kind = type == at::kFloat ? 0 : type == at::kBFloat16 ? 1 : type == at::kShort ? 2 : -1;
    bool is_plain = kind >= 0 && tensor.is_cpu() && tensor.layout() == at::kStrided && tensor.is_contiguous();
    plain[i] = {nullptr, 0, -1};
    if (is_plain) plain[i] = {tensor.mutable_data_ptr(), static_cast<size_t>(tensor.numel()), kind};
  })
}

// grad_scale (may be null): gradients are divided by it first. found_inf (may be null): a scalar; where
// it is 1 the kernel changes nothing.
extern "C" int sst_fused_adamw(size_t n, TensorPtr const* params, TensorPtr const* grads,
                               TensorPtr const* exp_avgs, TensorPtr const* exp_avg_sqs,
                               TensorPtr const* steps, double lr, double beta1, double beta2,
                               double weight_decay, double eps, TensorPtr grad_scale,
                               TensorPtr found_inf) {
  SST_GUARD({
    at::NoGradGuard guard;
    std::optional<at::Tensor> scale;
    std::optional<at::Tensor> inf;
    if (grad_scale != nullptr) scale = *grad_scale;
    if (found_inf != nullptr) inf = *found_inf;
    at::_fused_adamw_(sst_list(n, params), sst_list(n, grads), sst_list(n, exp_avgs),
                      sst_list(n, exp_avg_sqs), {}, sst_list(n, steps), lr, beta1, beta2, weight_decay,
                      eps, /*amsgrad=*/false, /*maximize=*/false, scale, inf);
  })
}

}  // namespace sst::optim
