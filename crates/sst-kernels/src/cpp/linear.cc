// Linear layers with gradients. linear/tiles/trained.rs computes the products; this file has the graph and the saved
// tensors.
#include "bridge.h"

namespace sst::linear {

// The kind of product, with the numbers of `What` in linear/tiles/trained.rs.
enum What : int { kForward, kForwardActivated, kInput, kInputDerivative, kWeight, kDerivative };

// Computes up to two tensors from up to three. Returns 1 on failure and writes a message.
using Product = int (*)(int what, int options, TensorPtr const* from, TensorPtr* made, char* message, size_t room);

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Null tensors stand for absent arguments and results.
std::array<at::Tensor, 2> product(int64_t address, What what, int64_t options, std::array<at::Tensor, 3> from) {
  TensorPtr pointers[3], made[2] = {nullptr, nullptr};
  for (size_t i = 0; i < from.size(); ++i) pointers[i] = from[i].defined() ? &from[i] : nullptr;
  char message[1024] = {0};
  auto body = reinterpret_cast<Product>(address);
  auto code = body(what, static_cast<int>(options), pointers, made, message, sizeof(message));
  std::array<at::Tensor, 2> result;
  for (size_t i = 0; i < result.size(); ++i) {
    std::unique_ptr<at::Tensor> owned(made[i]);
    if (owned) result[i] = *owned;
  }
  if (code != 0) throw std::runtime_error(message);
  return result;
}

at::Tensor tensor_or_none(const std::optional<at::Tensor>& tensor) { return tensor.has_value() ? *tensor : at::Tensor(); }

// The bit of the options that says that an activation follows.
constexpr int64_t kActivated = 8;

// The tensor in the type of the product: fp32 if the third bit of the options is set, else bf16.
at::Tensor factor(const at::Tensor& x, int64_t options) {
  return x.to(options & 4 ? at::kFloat : at::kBFloat16).contiguous();
}

// The gradients of a weight and a bias, in the types of these.
std::array<at::Tensor, 2> weight_grads(int64_t address, int64_t options, const at::Tensor& y_grad, const at::Tensor& x,
                                       const at::Tensor& weight, std::optional<at::ScalarType> bias) {
  auto [grad, sums] = product(address, kWeight, options, {y_grad, x, weight});
  return {grad, bias.has_value() ? sums.to(*bias) : at::Tensor()};
}

std::optional<at::ScalarType> kind_of(const c10::IValue& saved) {
  if (saved.isNone()) return std::nullopt;
  return static_cast<at::ScalarType>(saved.toInt());
}

// Whether the weight or the bias will need a gradient; called in the forward pass.
bool is_trained(const at::Tensor& weight, const std::optional<at::Tensor>& bias) {
  return weight.requires_grad() || (bias.has_value() && bias->requires_grad());
}

// The gradients are computed without a graph. Without this check, second-order gradients would be silently wrong.
void refuse_second_order() {
  TORCH_CHECK(!at::GradMode::is_enabled(), "a linear layer's gradients cannot be differentiated again on the CPU");
}

c10::IValue saved_kind(const std::optional<at::Tensor>& tensor) {
  if (!tensor.has_value()) return {};
  return static_cast<int64_t>(tensor->scalar_type());
}

struct Linear : torch::autograd::Function<Linear> {
  static at::Tensor forward(AutogradContext* ctx, at::Tensor x, at::Tensor weight, std::optional<at::Tensor> bias,
                            int64_t options, int64_t address) {
    RECORD_FUNCTION("sst::linear", std::vector<c10::IValue>({x, weight}));
    Below below;
    x = factor(x, options);
    bool is_activated = options & kActivated;
    auto what = is_activated ? kForwardActivated : kForward;
    auto made = product(address, what, options, {x, weight, tensor_or_none(bias)});
    ctx->save_for_backward(
        {is_trained(weight, bias) ? x : at::Tensor(), weight, is_activated ? made[0] : at::Tensor()});
    ctx->saved_data["bias"] = saved_kind(bias);
    ctx->saved_data["options"] = options;
    ctx->saved_data["address"] = address;
    return made[is_activated ? 1 : 0];
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    RECORD_FUNCTION("sst::linear_backward", std::vector<c10::IValue>({grads[0]}));
    Below below;
    refuse_second_order();
    auto tensors = ctx->get_saved_variables();
    auto &x = tensors[0], &weight = tensors[1], &before = tensors[2];
    auto options = ctx->saved_data["options"].toInt(), address = ctx->saved_data["address"].toInt();
    auto bias = kind_of(ctx->saved_data["bias"]);
    auto y_grad = factor(grads[0], options);
    if (options & kActivated) y_grad = product(address, kDerivative, options, {y_grad, before, {}})[0];
    at::Tensor x_grad;
    std::array<at::Tensor, 2> weights;
    if (ctx->needs_input_grad(0)) x_grad = product(address, kInput, options, {y_grad, weight, {}})[0];
    if (ctx->needs_input_grad(1) || (bias.has_value() && ctx->needs_input_grad(2))) {
      weights = weight_grads(address, options, y_grad, x, weight, bias);
    }
    return {x_grad, weights[0], weights[1], at::Tensor(), at::Tensor()};
  }
};

// Two linear layers with an activation between them.
struct Mlp : torch::autograd::Function<Mlp> {
  static at::Tensor forward(AutogradContext* ctx, at::Tensor x, at::Tensor up, std::optional<at::Tensor> up_bias,
                            at::Tensor down, std::optional<at::Tensor> down_bias, int64_t options, int64_t address) {
    RECORD_FUNCTION("sst::mlp", std::vector<c10::IValue>({x, up}));
    Below below;
    x = factor(x, options);
    auto [before, after] = product(address, kForwardActivated, options, {x, up, tensor_or_none(up_bias)});
    auto y = product(address, kForward, options, {after, down, tensor_or_none(down_bias)})[0];
    ctx->save_for_backward({is_trained(up, up_bias) ? x : at::Tensor(), up, before,
                            is_trained(down, down_bias) ? after : at::Tensor(), down});
    ctx->saved_data["up_bias"] = saved_kind(up_bias);
    ctx->saved_data["down_bias"] = saved_kind(down_bias);
    ctx->saved_data["options"] = options;
    ctx->saved_data["address"] = address;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    RECORD_FUNCTION("sst::mlp_backward", std::vector<c10::IValue>({grads[0]}));
    Below below;
    refuse_second_order();
    auto tensors = ctx->get_saved_variables();
    auto &x = tensors[0], &up = tensors[1], &before = tensors[2], &after = tensors[3], &down = tensors[4];
    auto options = ctx->saved_data["options"].toInt(), address = ctx->saved_data["address"].toInt();
    auto y_grad = factor(grads[0], options);
    auto up_kind = kind_of(ctx->saved_data["up_bias"]), down_kind = kind_of(ctx->saved_data["down_bias"]);
    // Arguments that are not tensors are not counted.
    size_t next = 1;
    bool needs_up = ctx->needs_input_grad(next++);
    if (up_kind.has_value()) needs_up |= ctx->needs_input_grad(next++);
    bool needs_down = ctx->needs_input_grad(next++);
    if (down_kind.has_value()) needs_down |= ctx->needs_input_grad(next++);
    std::array<at::Tensor, 2> up_grads, down_grads;
    if (needs_down) down_grads = weight_grads(address, options, y_grad, after, down, down_kind);
    at::Tensor x_grad;
    if (needs_up || ctx->needs_input_grad(0)) {
      auto before_grad = product(address, kInputDerivative, options, {y_grad, down, before})[0];
      if (needs_up) up_grads = weight_grads(address, options, before_grad, x, up, up_kind);
      if (ctx->needs_input_grad(0)) x_grad = product(address, kInput, options, {before_grad, up, {}})[0];
    }
    return {x_grad, up_grads[0], up_grads[1], down_grads[0], down_grads[1], at::Tensor(), at::Tensor()};
  }
};

std::optional<at::Tensor> optional(TensorPtr tensor) {
  return tensor == nullptr ? std::optional<at::Tensor>() : std::optional<at::Tensor>(*tensor);
}

// `bias` may be null.
extern "C" int sst_linear(TensorPtr x, TensorPtr weight, TensorPtr bias, int options, Product body, TensorPtr* y) {
  SST_GUARD({
    auto made = Linear::apply(*x, *weight, optional(bias), static_cast<int64_t>(options), reinterpret_cast<int64_t>(body));
    *y = new at::Tensor(made);
  })
}

// The biases may be null.
extern "C" int sst_mlp(TensorPtr x, TensorPtr up, TensorPtr up_bias, TensorPtr down, TensorPtr down_bias, int options,
                       Product body, TensorPtr* y) {
  SST_GUARD({
    auto made = Mlp::apply(*x, *up, optional(up_bias), *down, optional(down_bias), static_cast<int64_t>(options),
                           reinterpret_cast<int64_t>(body));
    *y = new at::Tensor(made);
  })
}

}  // namespace sst::linear
