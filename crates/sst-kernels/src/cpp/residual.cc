// Dropout, residual connection and norm as one autograd node. The Rust module residual has the arithmetic; this file
// has the graph, the tensors and the threads.
#include "bridge.h"

namespace sst::residual {

// The same fields as `ResidualProblem` in residual/kernel.rs.
struct SstResidual {
  const void* x;
  const void* residual;
  const float* weight;
  const float* bias;
  void* sum;
  void* y;
  float* moments;
  const void* y_grad;
  const void* y_grad2;
  const void* sum_grad;
  void* x_grad;
  void* residual_grad;
  float* param_sums;
  float* weight_grad;
  float* bias_grad;
  size_t tokens, width, blocks;
  uint64_t seed;
  float dropout, eps;
  int32_t x_kind, kind, y_kind, is_rms;
};

using Run = void (*)(const SstResidual*, void* next, int what);

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The pass, with the numbers of the constants in residual/mod.rs.
enum What : int { kForward, kBackward, kParams };

// The number of blocks of tokens. Their sums are added in order, so that the number must not depend on the number of
// threads.
constexpr size_t kBlocks = 32;

int32_t kind(const at::Tensor& tensor) { return tensor.scalar_type() == at::kBFloat16 ? 1 : 0; }

void run(SstResidual& problem, Run body, What what) {
  std::atomic<size_t> next{0};
  static_assert(sizeof(next) == sizeof(size_t));
  auto threads = std::min<int64_t>(at::get_num_threads(), problem.blocks);
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) body(&problem, &next, what);
  });
}

// Runs the backward pass and returns the gradients of weight and bias.
std::array<at::Tensor, 2> run_backward(SstResidual& problem, Run body, const at::Tensor& weight) {
  auto full_weight = weight.to(at::kFloat).contiguous();
  auto blocks = static_cast<int64_t>(problem.blocks), width = static_cast<int64_t>(problem.width);
  auto param_sums = at::empty({blocks, 2, width}, full_weight.options());
  auto weight_grad = at::empty_like(full_weight), bias_grad = at::empty_like(full_weight);
  problem.weight = full_weight.data_ptr<float>();
  problem.param_sums = param_sums.data_ptr<float>();
  problem.weight_grad = weight_grad.data_ptr<float>();
  problem.bias_grad = bias_grad.data_ptr<float>();
  run(problem, body, kBackward);
  body(&problem, nullptr, kParams);
  return {weight_grad.to(weight.scalar_type()), bias_grad.to(weight.scalar_type())};
}

// A second tensor with the same storage, which autograd does not treat as a view of the first.
at::Tensor same_storage(const at::Tensor& x) {
  return at::empty({0}, x.options()).set_(x.storage(), x.storage_offset(), x.sizes(), x.strides());
}

SstResidual new_problem(const at::Tensor& x, int64_t seed, double p, double eps) {
  SstResidual problem{};
  problem.width = x.size(-1);
  problem.tokens = problem.width == 0 ? 0 : x.numel() / problem.width;
  problem.blocks = std::min(kBlocks, std::max<size_t>(problem.tokens, 1));
  problem.seed = static_cast<uint64_t>(seed);
  problem.dropout = static_cast<float>(p);
  problem.eps = static_cast<float>(eps);
  problem.x_kind = kind(x);
  return problem;
}

// Draws the seed from libtorch's generator, so that the same seed of that generator gives the same mask.
int64_t draw(double p) {
  if (p == 0) return 0;
  auto generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  return static_cast<int64_t>(at::check_generator<at::CPUGeneratorImpl>(generator)->random64());
}

// The kernels read weight and bias as host memory.
void check_params(const at::Tensor& residual, const at::Tensor& weight, const at::Tensor& bias) {
  auto fits = [&](const at::Tensor& param) {
    return !param.defined() || (param.device() == residual.device() && param.numel() == residual.size(-1));
  };
  TORCH_CHECK(residual.device().is_cpu() && fits(weight) && fits(bias),
              "norm: x, weight and bias must be on the CPU, and weight and bias of the width of x");
}

// The norm; with the sum and the moments if the backward pass will need them.
std::array<at::Tensor, 3> residual_norm(at::Tensor x, at::Tensor residual, const at::Tensor& weight,
                                        const at::Tensor& bias, double p, int64_t seed, double eps, Run body,
                                        bool keeps) {
  RECORD_FUNCTION("sst::residual_norm", std::vector<c10::IValue>({x, residual}));
  check_params(residual, weight, bias);
  x = x.contiguous(), residual = residual.contiguous();
  auto problem = new_problem(x, seed, p, eps);
  problem.kind = problem.y_kind = kind(residual);
  auto full_weight = weight.to(at::kFloat).contiguous(), full_bias = bias.to(at::kFloat).contiguous();
  at::Tensor y = at::empty_like(residual), sum, moments;
  if (keeps) {
    sum = at::empty_like(residual);
    moments = at::empty({static_cast<int64_t>(problem.tokens), 2}, residual.options().dtype(at::kFloat));
    problem.sum = sum.data_ptr();
    problem.moments = moments.data_ptr<float>();
  }
  problem.x = x.data_ptr();
  problem.residual = residual.data_ptr();
  problem.weight = full_weight.data_ptr<float>();
  problem.bias = full_bias.data_ptr<float>();
  problem.y = y.data_ptr();
  run(problem, body, kForward);
  return {y, sum, moments};
}

// The result has two uses, the next product and the next residual connection. It is returned as two tensors, and
// their gradients are added while they are read.
struct ResidualNorm : torch::autograd::Function<ResidualNorm> {
  static variable_list forward(AutogradContext* ctx, at::Tensor x, at::Tensor residual, at::Tensor weight,
                            at::Tensor bias, double p, double eps, int64_t run_address) {
    Below below;
    auto seed = draw(p);
    auto [y, sum, moments] =
        residual_norm(x, residual, weight, bias, p, seed, eps, reinterpret_cast<Run>(run_address), true);
    ctx->save_for_backward({sum, moments, weight});
    auto& saved = ctx->saved_data;
    saved["seed"] = seed;
    saved["p"] = p;
    saved["run"] = run_address;
    saved["x_kind"] = static_cast<int64_t>(x.scalar_type());
    ctx->set_materialize_grads(false);
    return {y, same_storage(y)};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    std::array<at::Tensor, 2> y_grads;
    size_t count = 0;
    for (auto& grad : grads) {
      if (grad.defined()) y_grads[count++] = grad;
    }
    if (count == 0) return variable_list(7);
    RECORD_FUNCTION("sst::residual_norm_backward", std::vector<c10::IValue>({y_grads[0]}));
    Below below;
    auto tensors = ctx->get_saved_variables();
    auto &sum = tensors[0], &moments = tensors[1], &weight = tensors[2];
    auto& saved = ctx->saved_data;
    for (size_t i = 0; i < count; ++i) y_grads[i] = y_grads[i].to(sum.scalar_type()).contiguous();
    auto x_grad = at::empty_like(sum, sum.options().dtype(static_cast<at::ScalarType>(saved["x_kind"].toInt())));
    auto residual_grad = at::empty_like(sum);
    auto problem = new_problem(x_grad, saved["seed"].toInt(), saved["p"].toDouble(), 0);
    problem.kind = problem.y_kind = kind(sum);
    problem.sum = sum.data_ptr();
    problem.moments = moments.data_ptr<float>();
    problem.y_grad = y_grads[0].data_ptr();
    problem.y_grad2 = count > 1 ? y_grads[1].data_ptr() : nullptr;
    problem.x_grad = x_grad.data_ptr();
    problem.residual_grad = residual_grad.data_ptr();
    auto params = run_backward(problem, reinterpret_cast<Run>(saved["run"].toInt()), weight);
    return {x_grad, residual_grad, params[0], params[1], at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

// The norm before a product. Its result has the type of the product. The sum is the second result; without x nothing
// is added, and there is no second result.
struct AddNorm : torch::autograd::Function<AddNorm> {
  static variable_list forward(AutogradContext* ctx, std::optional<at::Tensor> x, at::Tensor residual, at::Tensor weight,
                               std::optional<at::Tensor> bias, double p, double eps, bool is_rms, int64_t y_type,
                               int64_t run_address) {
    RECORD_FUNCTION("sst::add_norm", std::vector<c10::IValue>({residual}));
    Below below;
    check_params(residual, weight, bias.value_or(at::Tensor()));
    residual = residual.contiguous();
    auto branch = x.has_value() ? x->contiguous() : residual;
    auto seed = x.has_value() ? draw(p) : 0;
    auto problem = new_problem(branch, seed, p, eps);
    auto type = static_cast<at::ScalarType>(y_type);
    auto full_weight = weight.to(at::kFloat).contiguous();
    auto full_bias = bias.has_value() ? bias->to(at::kFloat).contiguous() : at::Tensor();
    auto sum = x.has_value() ? at::empty_like(residual) : residual;
    auto y = at::empty_like(residual, residual.options().dtype(type));
    auto moments = at::empty({static_cast<int64_t>(problem.tokens), 2}, residual.options().dtype(at::kFloat));
    problem.kind = kind(residual);
    problem.y_kind = kind(y);
    problem.is_rms = is_rms;
    problem.x = x.has_value() ? branch.data_ptr() : nullptr;
    problem.residual = residual.data_ptr();
    problem.weight = full_weight.data_ptr<float>();
    problem.bias = bias.has_value() ? full_bias.data_ptr<float>() : nullptr;
    problem.sum = sum.data_ptr();
    problem.y = y.data_ptr();
    problem.moments = moments.data_ptr<float>();
    run(problem, reinterpret_cast<Run>(run_address), kForward);
    ctx->save_for_backward({sum, moments, weight});
    auto& saved = ctx->saved_data;
    saved["seed"] = seed;
    saved["p"] = p;
    saved["is_rms"] = is_rms;
    saved["run"] = run_address;
    saved["y_type"] = y_type;
    saved["has_x"] = x.has_value();
    saved["has_bias"] = bias.has_value();
    saved["x_type"] = static_cast<int64_t>(branch.scalar_type());
    if (!x.has_value()) return {y};
    return {y, sum};
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    RECORD_FUNCTION("sst::add_norm_backward", std::vector<c10::IValue>({grads[0]}));
    Below below;
    auto tensors = ctx->get_saved_variables();
    auto &sum = tensors[0], &moments = tensors[1], &weight = tensors[2];
    auto& saved = ctx->saved_data;
    auto has_x = saved["has_x"].toBool();
    auto y_type = static_cast<at::ScalarType>(saved["y_type"].toInt());
    auto y_grad = grads[0].defined() ? grads[0].to(y_type).contiguous()
                                     : at::zeros_like(sum, sum.options().dtype(y_type));
    auto sum_grad = has_x && grads[1].defined() ? grads[1].to(sum.scalar_type()).contiguous() : at::Tensor();
    auto x_type = static_cast<at::ScalarType>(saved["x_type"].toInt());
    auto x_grad = has_x ? at::empty_like(sum, sum.options().dtype(x_type)) : at::Tensor();
    auto residual_grad = at::empty_like(sum);
    auto problem = new_problem(has_x ? x_grad : sum, saved["seed"].toInt(), saved["p"].toDouble(), 0);
    problem.kind = kind(sum);
    problem.y_kind = kind(y_grad);
    problem.is_rms = saved["is_rms"].toBool();
    problem.sum = sum.data_ptr();
    problem.moments = moments.data_ptr<float>();
    problem.y_grad = y_grad.data_ptr();
    problem.sum_grad = sum_grad.defined() ? sum_grad.data_ptr() : nullptr;
    problem.x_grad = has_x ? x_grad.data_ptr() : nullptr;
    problem.residual_grad = residual_grad.data_ptr();
    auto params = run_backward(problem, reinterpret_cast<Run>(saved["run"].toInt()), weight);
    auto bias_grad = saved["has_bias"].toBool() ? params[1] : at::Tensor();
    return {x_grad,       residual_grad, params[0],    bias_grad,   at::Tensor(),
            at::Tensor(), at::Tensor(),  at::Tensor(), at::Tensor()};
  }
};

struct Dropout : torch::autograd::Function<Dropout> {
  static at::Tensor forward(AutogradContext* ctx, at::Tensor x, double p, int64_t run_address) {
    RECORD_FUNCTION("sst::dropout", std::vector<c10::IValue>({x}));
    Below below;
    x = x.contiguous();
    auto seed = draw(p);
    auto problem = new_problem(x, seed, p, 0);
    auto y = at::empty_like(x);
    problem.x = x.data_ptr();
    problem.y = y.data_ptr();
    run(problem, reinterpret_cast<Run>(run_address), kForward);
    auto& saved = ctx->saved_data;
    saved["seed"] = seed;
    saved["p"] = p;
    saved["run"] = run_address;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    RECORD_FUNCTION("sst::dropout_backward", std::vector<c10::IValue>({grads[0]}));
    Below below;
    auto& saved = ctx->saved_data;
    auto y_grad = grads[0].contiguous();
    auto problem = new_problem(y_grad, saved["seed"].toInt(), saved["p"].toDouble(), 0);
    auto x_grad = at::empty_like(y_grad);
    problem.y_grad = y_grad.data_ptr();
    problem.x_grad = x_grad.data_ptr();
    run(problem, reinterpret_cast<Run>(saved["run"].toInt()), kBackward);
    return {x_grad, at::Tensor(), at::Tensor()};
  }
};

// Two tensors equal to x, for two uses. Adds their gradients in a fixed order.
struct Fork : torch::autograd::Function<Fork> {
  static variable_list forward(AutogradContext* ctx, at::Tensor x) {
    ctx->set_materialize_grads(false);
    return {same_storage(x), same_storage(x)};
  }

  static variable_list backward(AutogradContext*, variable_list grads) {
    if (!grads[0].defined() || !grads[1].defined()) return {grads[0].defined() ? grads[0] : grads[1]};
    return {grads[0] + grads[1]};
  }
};

extern "C" int sst_fork(TensorPtr x, TensorPtr* both) {
  SST_GUARD({
    auto made = Fork::apply(*x);
    for (size_t i = 0; i < 2; ++i) both[i] = new at::Tensor(made[i]);
  })
}

extern "C" int sst_residual_norm(TensorPtr x, TensorPtr residual, TensorPtr weight, TensorPtr bias, double p,
                                 double eps, Run run, TensorPtr* y, TensorPtr* twin) {
  SST_GUARD({
    if (at::GradMode::is_enabled()) {
      auto made = ResidualNorm::apply(*x, *residual, *weight, *bias, p, eps, reinterpret_cast<int64_t>(run));
      *y = new at::Tensor(made[0]);
      *twin = new at::Tensor(made[1]);
    } else {
      auto made = residual_norm(*x, *residual, *weight, *bias, p, draw(p), eps, run, false)[0];
      *y = new at::Tensor(made);
      *twin = new at::Tensor(same_storage(made));
    }
  })
}

// `x`, `bias` and `sum` may be null; without `x` there is no `sum`.
extern "C" int sst_add_norm(TensorPtr x, TensorPtr residual, TensorPtr weight, TensorPtr bias, double p, double eps,
                            int is_rms, int is_bf16, Run run, TensorPtr* y, TensorPtr* sum) {
  SST_GUARD({
    auto optional = [](TensorPtr tensor) {
      return tensor == nullptr ? std::optional<at::Tensor>() : std::optional<at::Tensor>(*tensor);
    };
    auto type = static_cast<int64_t>(is_bf16 ? at::kBFloat16 : at::kFloat);
    auto made = AddNorm::apply(optional(x), *residual, *weight, optional(bias), p, eps, is_rms != 0, type,
                               reinterpret_cast<int64_t>(run));
    *y = new at::Tensor(made[0]);
    if (x != nullptr) *sum = new at::Tensor(made[1]);
  })
}

extern "C" int sst_dropout(TensorPtr x, double p, Run run, TensorPtr* y) {
  SST_GUARD({ *y = new at::Tensor(Dropout::apply(*x, p, reinterpret_cast<int64_t>(run))); })
}

}  // namespace sst::residual
