// libtorch's fused AdamW, which tch's generator leaves out, and the data pointers that our own kernel needs.
#include "bridge.h"

namespace sst::optim {

// The same fields as `Plain` of optim/ffi.rs.
struct SstPlain {
  void* data;
  size_t count;
  int kind;
};

// The data pointers and types of tensors: 0 fp32, 1 bf16, 2 int16, -1 for another type, device or a non-contiguous
// tensor.
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

// grad_scale (may be null) divides the gradients first. found_inf (may be null) is a scalar; if it is 1, nothing
// changes.
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
