// Rows of tables, added up, as one node of autograd. The arithmetic is in Rust (embedding); here is the graph.
#include "bridge.h"

namespace sst::embedding {

// Field by field what `Table` in embedding/kernel.rs is.
struct SstTable {
  const void* weight;
  void* grad;
  const int64_t* ids;
  int64_t padding;
};

// Field by field what `EmbeddingProblem` there is.
struct SstEmbedding {
  const SstTable* tables;
  size_t count;
  void* y;
  const void* y_grad;
  size_t tokens, width;
  int32_t kind;
};

// Returns 0, or 1 if a thread could not be had.
using Run = int (*)(const SstEmbedding*, int backward);

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void run(const std::vector<SstTable>& tables, SstEmbedding task, const at::Tensor& y, int64_t address, bool backward) {
  task.tables = tables.data();
  task.count = tables.size();
  task.width = static_cast<size_t>(y.size(-1));
  task.tokens = task.width == 0 ? 0 : static_cast<size_t>(y.numel()) / task.width;
  task.kind = y.scalar_type() == at::kBFloat16;
  TORCH_CHECK(reinterpret_cast<Run>(address)(&task, backward) == 0, "embeddings: no threads");
}

// Adds to the rows of dense gradients what the tokens of each send back.
void add_rows(const std::vector<at::Tensor>& grads, const std::vector<at::Tensor>& ids, const at::Tensor& y_grad,
              const std::vector<int64_t>& paddings, int64_t address) {
  RECORD_FUNCTION("sst::embedding_backward", std::vector<c10::IValue>({y_grad}));
  std::vector<SstTable> tables;
  for (size_t i = 0; i < grads.size(); ++i) {
    tables.push_back({nullptr, grads[i].mutable_data_ptr(), ids[i].const_data_ptr<int64_t>(), paddings[i]});
  }
  SstEmbedding task{};
  task.y_grad = y_grad.const_data_ptr();
  run(tables, task, y_grad, address, true);
}

// How often a tensor was written to; tensors of inference mode do not count it, and have no backward pass.
int64_t version(const at::Tensor& tensor) {
  return tensor.is_inference() ? 0 : static_cast<int64_t>(tensor._version());
}

struct Embeddings : torch::autograd::Function<Embeddings> {
  // First the tables, then the ids of each.
  static at::Tensor forward(AutogradContext* ctx, at::TensorList tensors, std::vector<int64_t> paddings,
                            int64_t address) {
    auto count = tensors.size() / 2;
    RECORD_FUNCTION("sst::embedding", std::vector<c10::IValue>({tensors[0], tensors[count]}));
    auto sizes = tensors[count].sizes().vec();
    sizes.push_back(tensors[0].size(1));
    auto y = at::empty(sizes, tensors[0].options());
    std::vector<SstTable> tables;
    for (size_t i = 0; i < count; ++i) {
      const auto &weight = tensors[i], &ids = tensors[count + i];
      tables.push_back(
          {weight.const_data_ptr(), nullptr, ids.const_data_ptr<int64_t>(), paddings[i]});
    }
    SstEmbedding task{};
    task.y = y.mutable_data_ptr();
    run(tables, task, y, address, false);
    // Not as numbers that the backward pass reads: it only asks what the tables are, which may change meanwhile.
    ctx->saved_data["tensors"] = tensors.vec();
    ctx->saved_data["paddings"] = paddings;
    // The ids were checked to be rows. The backward pass may rely on that only as long as nobody writes to them.
    std::vector<int64_t> versions;
    for (size_t i = 0; i < count; ++i) versions.push_back(version(tensors[count + i]));
    ctx->saved_data["versions"] = versions;
    ctx->saved_data["address"] = address;
    return y;
  }

  // The gradient of a table would be one number for each of its own, nearly all zero, made to be added to that of the
  // head that shares it. So a parameter's is added to, row by row, when all others are there; elsewhere it is made.
  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradients of embeddings cannot be differentiated again on the CPU");
    auto tensors = ctx->saved_data["tensors"].toTensorVector();
    auto paddings = ctx->saved_data["paddings"].toIntVector();
    auto address = ctx->saved_data["address"].toInt();
    auto count = tensors.size() / 2;
    auto versions = ctx->saved_data["versions"].toIntVector();
    for (size_t i = 0; i < count; ++i) {
      TORCH_CHECK(version(tensors[count + i]) == versions[i],
                  "the ids of embeddings were changed in place between the forward and the backward pass");
    }
    auto y_grad = grads[0].to(tensors[0].scalar_type()).contiguous();
    const auto* wanted = torch::autograd::get_current_graph_task_exec_info();
    bool accumulates = wanted == nullptr || wanted->empty();
    variable_list found(tensors.size() + 2);
    std::vector<at::Tensor> params, later_ids, made, made_ids;
    std::vector<int64_t> later_paddings, made_paddings;
    for (size_t i = 0; i < count; ++i) {
      const auto &weight = tensors[i], &ids = tensors[count + i];
      if (!weight.requires_grad()) continue;
      if (accumulates && weight.is_leaf()) {
        params.push_back(weight);
        later_ids.push_back(ids);
        later_paddings.push_back(paddings[i]);
      } else {
        found[i] = at::zeros_like(weight, at::MemoryFormat::Contiguous);
        made.push_back(found[i]);
        made_ids.push_back(ids);
        made_paddings.push_back(paddings[i]);
      }
    }
    if (!made.empty()) add_rows(made, made_ids, y_grad, made_paddings, address);
    if (!params.empty()) {
      torch::autograd::Engine::get_default_engine().queue_callback([=]() {
        at::NoGradGuard guard;
        std::vector<at::Tensor> sums;
        for (const auto& param : params) {
          auto& grad = param.mutable_grad();
          if (!grad.defined()) {
            grad = at::zeros_like(param, at::MemoryFormat::Contiguous);
          } else if (!grad.is_contiguous() || grad.scalar_type() != param.scalar_type()) {
            grad = grad.to(param.scalar_type()).contiguous();
          }
          sums.push_back(grad);
        }
        add_rows(sums, later_ids, y_grad, later_paddings, address);
      });
    }
    return found;
  }
};

// The ids must be int64, contiguous and below the rows of their tables.
extern "C" int sst_embedding(size_t n, TensorPtr const* weights, TensorPtr const* ids, const int64_t* paddings, Run run,
                             TensorPtr* y) {
  SST_GUARD({
    auto tensors = sst_list(n, weights);
    for (size_t i = 0; i < n; ++i) tensors.push_back(*ids[i]);
    std::vector<int64_t> none(paddings, paddings + n);
    *y = new at::Tensor(Embeddings::apply(at::TensorList(tensors), none, reinterpret_cast<int64_t>(run)));
  })
}

}  // namespace sst::embedding
