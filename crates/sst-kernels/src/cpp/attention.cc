// Attention within each row of a ragged batch, as an autograd node. The Rust module attention has the arithmetic;
// this file has the graph, the tensors and the threads.
#include "bridge.h"

namespace sst::attention {

// The same fields as `AttentionProblem` in attention/problem.rs.
struct SstSource {
  const void* data;
  size_t stride;
};

struct SstTarget {
  void* data;
  size_t stride;
};

struct SstAttention {
  SstSource query, key, value, out_grad;
  void* out;
  SstTarget query_grad, key_grad, value_grad;
  float* log_sums;
  const int64_t* offsets;
  const int64_t* keys;
  size_t rows, heads, kv_heads, width;
  uint64_t seed;
  float scale, dropout;
  int32_t kind;
  bool causal;
};

using Run = void (*)(const SstAttention*, void* next, int backward);

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The arguments of both passes, without the tensors.
struct Problem {
  // The index of the first query of each row, then the number of queries; and the range of keys of each row.
  std::vector<int64_t> offsets, keys;
  int64_t heads, kv_heads;
  double scale, dropout;
  bool causal;
  Run run;
  int64_t seed;

  void save(AutogradContext* ctx) const {
    auto& saved = ctx->saved_data;
    saved["offsets"] = offsets;
    saved["keys"] = keys;
    saved["heads"] = heads;
    saved["kv_heads"] = kv_heads;
    saved["scale"] = scale;
    saved["dropout"] = dropout;
    saved["causal"] = causal;
    saved["run"] = reinterpret_cast<int64_t>(run);
    saved["seed"] = seed;
  }

  static Problem saved(AutogradContext* ctx) {
    auto& saved = ctx->saved_data;
    return {saved["offsets"].toIntVector(), saved["keys"].toIntVector(), saved["heads"].toInt(),
            saved["kv_heads"].toInt(),      saved["scale"].toDouble(),   saved["dropout"].toDouble(),
            saved["causal"].toBool(),       reinterpret_cast<Run>(saved["run"].toInt()),
            saved["seed"].toInt()};
  }
};

SstSource source(const at::Tensor& tensor) {
  return {tensor.data_ptr(), static_cast<size_t>(tensor.stride(0))};
}

SstTarget target(const at::Tensor& tensor) {
  return {tensor.data_ptr(), static_cast<size_t>(tensor.stride(0))};
}

// The last dimension must be contiguous. The stride between tokens may be larger, as in slices of a joint projection.
at::Tensor dense(const at::Tensor& tensor) { return tensor.stride(1) == 1 ? tensor : tensor.contiguous(); }

// The queries, keys and values in the output of a joint projection.
std::array<at::Tensor, 3> slices(const at::Tensor& joint, const Problem& problem) {
  auto width = joint.size(1) / (problem.heads + 2 * problem.kv_heads);
  auto queries = problem.heads * width, keys = problem.kv_heads * width;
  return {joint.narrow(1, 0, queries), joint.narrow(1, queries, keys),
          joint.narrow(1, queries + keys, keys)};
}

SstAttention task_of(const std::array<at::Tensor, 3>& inputs, const Problem& problem,
                     const at::Tensor& out, const at::Tensor& log_sums) {
  SstAttention task{};
  task.query = source(inputs[0]);
  task.key = source(inputs[1]);
  task.value = source(inputs[2]);
  task.out = out.data_ptr();
  if (log_sums.defined()) task.log_sums = log_sums.data_ptr<float>();
  task.offsets = problem.offsets.data();
  task.keys = problem.keys.data();
  task.rows = problem.offsets.size() - 1;
  task.heads = problem.heads;
  task.kv_heads = problem.kv_heads;
  task.width = inputs[0].size(1) / problem.heads;
  task.seed = problem.seed;
  task.scale = static_cast<float>(problem.scale);
  task.dropout = static_cast<float>(problem.dropout);
  task.kind = inputs[0].scalar_type() == at::kBFloat16 ? 1 : 0;
  task.causal = problem.causal;
  return task;
}

void run(SstAttention& task, Run body, bool backward) {
  std::atomic<size_t> next{0};
  static_assert(sizeof(next) == sizeof(size_t));
  auto threads = std::min<int64_t>(at::get_num_threads(), task.rows * task.kv_heads);
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) body(&task, &next, backward);
  });
}

// An uninitialised output for `used` tokens, followed by zeros for tokens of no row.
at::Tensor room(const at::Tensor& like, int64_t used) {
  auto made = at::empty({like.size(0), like.size(1)}, like.options());
  if (used < made.size(0)) made.narrow(0, used, made.size(0) - used).zero_();
  return made;
}

// The output, and the log-sum-exps if the backward pass will need them.
std::array<at::Tensor, 2> attend(const std::array<at::Tensor, 3>& inputs, const Problem& problem, bool keeps) {
  auto& query = inputs[0];
  auto out = room(query, problem.offsets.back());
  at::Tensor log_sums;
  if (keeps) log_sums = at::empty({query.size(0), problem.heads}, query.options().dtype(at::kFloat));
  auto task = task_of(inputs, problem, out, log_sums);
  run(task, problem.run, false);
  return {out, log_sums};
}

// Writes the gradients of the inputs.
void send_back(const std::array<at::Tensor, 3>& inputs, const Problem& problem, const at::Tensor& out,
               const at::Tensor& log_sums, const at::Tensor& grad, const std::array<at::Tensor, 3>& grads) {
  auto out_grad = dense(grad.to(inputs[0].scalar_type()));
  auto task = task_of(inputs, problem, out, log_sums);
  task.out_grad = source(out_grad);
  task.query_grad = target(grads[0]);
  task.key_grad = target(grads[1]);
  task.value_grad = target(grads[2]);
  run(task, problem.run, true);
}

struct RaggedAttention : torch::autograd::Function<RaggedAttention> {
  static at::Tensor forward(AutogradContext* ctx, at::Tensor q, at::Tensor k, at::Tensor v,
                            const Problem& problem) {
    Below below;
    std::array<at::Tensor, 3> inputs{dense(q), dense(k), dense(v)};
    auto [out, log_sums] = attend(inputs, problem, true);
    ctx->save_for_backward({inputs[0], inputs[1], inputs[2], out, log_sums});
    problem.save(ctx);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto tensors = ctx->get_saved_variables();
    Below below;
    auto problem = Problem::saved(ctx);
    std::array<at::Tensor, 3> inputs{tensors[0], tensors[1], tensors[2]};
    // Keys between those of two rows have no gradient either.
    int64_t used = 0;
    for (size_t i = 0; i < problem.keys.size(); i += 2) used += problem.keys[i + 1] - problem.keys[i];
    if (used > 0 && used != problem.keys.back()) used = 0;
    bool apart = used == 0;
    std::array<at::Tensor, 3> sent{room(inputs[0], problem.offsets.back()),
                                   apart ? at::zeros_like(inputs[1]) : room(inputs[1], used),
                                   apart ? at::zeros_like(inputs[2]) : room(inputs[2], used)};
    send_back(inputs, problem, tensors[3], tensors[4], grads[0], sent);
    return {sent[0], sent[1], sent[2], at::Tensor()};
  }
};

// The same for queries, keys and values in one tensor, the output of a joint projection.
struct JointAttention : torch::autograd::Function<JointAttention> {
  static at::Tensor forward(AutogradContext* ctx, at::Tensor joint, const Problem& problem) {
    Below below;
    joint = dense(joint);
    auto [out, log_sums] = attend(slices(joint, problem), problem, true);
    ctx->save_for_backward({joint, out, log_sums});
    problem.save(ctx);
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto tensors = ctx->get_saved_variables();
    Below below;
    auto problem = Problem::saved(ctx);
    auto sent = room(tensors[0], problem.offsets.back());
    send_back(slices(tensors[0], problem), problem, tensors[1], tensors[2], grads[0], slices(sent, problem));
    return {sent, at::Tensor()};
  }
};

// The arguments without the tensors. offsets: rows + 1 numbers; keys: 2 * rows numbers.
struct SstAttentionRows {
  const int64_t* offsets;
  const int64_t* keys;
  size_t rows;
  int64_t heads, kv_heads;
  double scale, dropout;
  int causal;
  Run run;

  // The seed of the dropout comes from libtorch's generator, so that the same seed of that generator gives the same
  // mask.
  Problem problem() const {
    int64_t seed = 0;
    if (dropout > 0) {
      auto generator = at::detail::getDefaultCPUGenerator();
      std::lock_guard<std::mutex> lock(generator.mutex());
      seed = static_cast<int64_t>(at::check_generator<at::CPUGeneratorImpl>(generator)->random64());
    }
    return {{offsets, offsets + rows + 1}, {keys, keys + 2 * rows}, heads, kv_heads, scale, dropout,
            causal != 0, run, seed};
  }
};

extern "C" int sst_ragged_attention(TensorPtr query, TensorPtr key, TensorPtr value,
                                    const SstAttentionRows* rows, TensorPtr* out) {
  SST_GUARD({
    auto problem = rows->problem();
    auto made = at::GradMode::is_enabled() ? RaggedAttention::apply(*query, *key, *value, problem)
                                           : attend({dense(*query), dense(*key), dense(*value)}, problem, false)[0];
    *out = new at::Tensor(made);
  })
}

extern "C" int sst_joint_attention(TensorPtr joint, const SstAttentionRows* rows, TensorPtr* out) {
  SST_GUARD({
    auto problem = rows->problem();
    auto made = at::GradMode::is_enabled() ? JointAttention::apply(*joint, problem)
                                           : attend(slices(dense(*joint), problem), problem, false)[0];
    *out = new at::Tensor(made);
  })
}

}  // namespace sst::attention
