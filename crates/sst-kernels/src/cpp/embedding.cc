// Sums of embedding rows as one autograd node. The Rust module embedding has the arithmetic; this file has the graph.
#include "bridge.h"

namespace sst::embedding {

// The same fields as `Table` in embedding/kernel.rs.
struct SstTable {
  const void* weight;
  void* grad;
  const int64_t* ids;
  int64_t padding;
};

// The same fields as `EmbeddingProblem` in embedding/kernel.rs.
struct SstEmbedding {
  const SstTable* tables;
  size_t count;
  void* y;
  const void* y_grad;
  size_t tokens, width;
  int32_t kind;
};

// Returns 0, or 1 if no thread could be started.
using Run = int (*)(const SstEmbedding*, int backward);

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

void run(const std::vector<SstTable>& tables, SstEmbedding problem, const at::Tensor& y, int64_t address,
         bool backward) {
  problem.tables = tables.data();
  problem.count = tables.size();
  problem.width = static_cast<size_t>(y.size(-1));
  problem.tokens = problem.width == 0 ? 0 : static_cast<size_t>(y.numel()) / problem.width;
  problem.kind = y.scalar_type() == at::kBFloat16;
  TORCH_CHECK(reinterpret_cast<Run>(address)(&problem, backward) == 0, "embeddings: no threads");
}

// Adds the gradient of each token to its rows in dense gradients.
void add_rows(const std::vector<at::Tensor>& grads, const std::vector<at::Tensor>& ids, const at::Tensor& y_grad,
              const std::vector<int64_t>& paddings, int64_t address) {
  RECORD_FUNCTION("sst::embedding_backward", std::vector<c10::IValue>({y_grad}));
  std::vector<SstTable> tables;
  for (size_t i = 0; i < grads.size(); ++i) {
    tables.push_back({nullptr, grads[i].mutable_data_ptr(), ids[i].const_data_ptr<int64_t>(), paddings[i]});
  }
  SstEmbedding problem{};
  problem.y_grad = y_grad.const_data_ptr();
  run(tables, problem, y_grad, address, true);
}

// The version counter of a tensor. Tensors of inference mode have none, and no backward pass.
int64_t version(const at::Tensor& tensor) {
  return tensor.is_inference() ? 0 : static_cast<int64_t>(tensor._version());
}

struct Embeddings : torch::autograd::Function<Embeddings> {
  // The arguments are all tables, then the ids of each.
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
    SstEmbedding problem{};
    problem.y = y.mutable_data_ptr();
    run(tables, problem, y, address, false);
    // Saved as IValues, not as saved variables: the backward pass needs the tables' identity and not their values,
    // which may change meanwhile.
    ctx->saved_data["tensors"] = tensors.vec();
    ctx->saved_data["paddings"] = paddings;
    // The ids were checked against the number of rows. The backward pass relies on it, so they must not be written
    // to.
    std::vector<int64_t> versions;
    for (size_t i = 0; i < count; ++i) versions.push_back(version(tensors[count + i]));
    ctx->saved_data["versions"] = versions;
    ctx->saved_data["address"] = address;
    return y;
  }

  // A dense gradient of the table would be nearly all zeros, and would only be added to the gradient of the head that
  // shares the table. So the rows are added to the gradient of a parameter after all other gradients are there.
  // Tables that are not parameters get a dense gradient.
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

// The ids must be int64, contiguous and smaller than the number of rows of their tables.
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
