// Attention within each row of a ragged batch, as a node of autograd. The arithmetic is in Rust
// (ext/attention); here are the graph, the tensors and the threads.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <atomic>

#include "bridge.h"

// Field by field what `Task` in ext/attention/task.rs is.
struct SstSource {
  const void* data;
  size_t stride;
};

struct SstAttention {
  SstSource query, key, value, out_grad;
  void* out;
  void* query_grad;
  void* key_grad;
  void* value_grad;
  float* log_sums;
  const int64_t* offsets;
  size_t rows, heads, kv_heads, width;
  uint64_t seed;
  float scale, dropout;
  int32_t kind;
  bool causal;
};

using Run = void (*)(const SstAttention*, void* next, int backward);

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Options {
  int64_t heads, kv_heads;
  double scale, dropout;
  bool causal;
  Run run;
};

SstSource source(const at::Tensor& tensor) {
  return {tensor.data_ptr(), static_cast<size_t>(tensor.stride(0))};
}

// The last dimension has to be dense; the tokens may lie apart, as slices of a joint projection do.
at::Tensor dense(const at::Tensor& tensor) { return tensor.stride(1) == 1 ? tensor : tensor.contiguous(); }

void run(SstAttention& task, Run body, bool backward) {
  std::atomic<size_t> next{0};
  static_assert(sizeof(next) == sizeof(size_t));
  auto threads = std::min<int64_t>(at::get_num_threads(), task.rows * task.kv_heads);
  at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
    for (; begin < end; ++begin) body(&task, &next, backward);
  });
}

SstAttention problem(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                     const std::vector<int64_t>& offsets, const Options& options, uint64_t seed) {
  SstAttention task{};
  task.query = source(q);
  task.key = source(k);
  task.value = source(v);
  task.offsets = offsets.data();
  task.rows = offsets.size() - 1;
  task.heads = options.heads;
  task.kv_heads = options.kv_heads;
  task.width = q.size(1) / options.heads;
  task.seed = seed;
  task.scale = static_cast<float>(options.scale);
  task.dropout = static_cast<float>(options.dropout);
  task.kind = q.scalar_type() == at::kBFloat16 ? 1 : 0;
  task.causal = options.causal;
  return task;
}

struct RaggedAttention : torch::autograd::Function<RaggedAttention> {
  static at::Tensor forward(AutogradContext* ctx, at::Tensor q, at::Tensor k, at::Tensor v,
                            std::vector<int64_t> offsets, Options options, int64_t seed) {
    q = dense(q), k = dense(k), v = dense(v);
    auto out = at::empty({q.size(0), q.size(1)}, q.options());
    auto log_sums = at::empty({q.size(0), options.heads}, q.options().dtype(at::kFloat));
    auto task = problem(q, k, v, offsets, options, seed);
    task.out = out.data_ptr();
    task.log_sums = log_sums.data_ptr<float>();
    run(task, options.run, false);
    ctx->save_for_backward({q, k, v, out, log_sums});
    auto& saved = ctx->saved_data;
    saved["offsets"] = offsets;
    saved["heads"] = options.heads;
    saved["kv_heads"] = options.kv_heads;
    saved["scale"] = options.scale;
    saved["dropout"] = options.dropout;
    saved["causal"] = options.causal;
    saved["run"] = reinterpret_cast<int64_t>(options.run);
    saved["seed"] = seed;
    return out;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto tensors = ctx->get_saved_variables();
    auto &q = tensors[0], &k = tensors[1], &v = tensors[2], &out = tensors[3], &log_sums = tensors[4];
    auto& saved = ctx->saved_data;
    auto offsets = saved["offsets"].toIntVector();
    Options options{saved["heads"].toInt(),      saved["kv_heads"].toInt(),
                    saved["scale"].toDouble(),   saved["dropout"].toDouble(),
                    saved["causal"].toBool(),    reinterpret_cast<Run>(saved["run"].toInt())};
    auto out_grad = dense(grads[0].to(q.scalar_type()));
    auto q_grad = at::empty({q.size(0), q.size(1)}, q.options());
    auto k_grad = at::empty({k.size(0), k.size(1)}, k.options());
    auto v_grad = at::empty({v.size(0), v.size(1)}, v.options());
    auto task = problem(q, k, v, offsets, options, saved["seed"].toInt());
    task.out = out.data_ptr();
    task.log_sums = log_sums.data_ptr<float>();
    task.out_grad = source(out_grad);
    task.query_grad = q_grad.data_ptr();
    task.key_grad = k_grad.data_ptr();
    task.value_grad = v_grad.data_ptr();
    run(task, options.run, true);
    return {q_grad, k_grad, v_grad, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

// offsets: n + 1 numbers. The seed of the dropout comes from libtorch's generator, so that whoever seeds
// that one gets the same mask again.
extern "C" int sst_ragged_attention(TensorPtr query, TensorPtr key, TensorPtr value, const int64_t* offsets,
                                    size_t n, int64_t heads, int64_t kv_heads, double scale,
                                    double dropout, int causal, Run run, TensorPtr* out) {
  SST_GUARD({
    int64_t seed = 0;
    if (dropout > 0) {
      auto generator = at::detail::getDefaultCPUGenerator();
      std::lock_guard<std::mutex> lock(generator.mutex());
      seed = static_cast<int64_t>(at::check_generator<at::CPUGeneratorImpl>(generator)->random64());
    }
    Options options{heads, kv_heads, scale, dropout, causal != 0, run};
    std::vector<int64_t> starts(offsets, offsets + n + 1);
    *out = new torch::Tensor(RaggedAttention::apply(*query, *key, *value, starts, options, seed));
  })
}
