// Concatenates three matrices (or vectors), so that one product replaces three.
#include "bridge.h"

namespace sst::joint {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Whether the memory of b begins where that of a ends.
bool follows(const at::Tensor& a, const at::Tensor& b) {
  return a.is_contiguous() && b.is_contiguous() && a.scalar_type() == b.scalar_type() && a.storage().is_alias_of(b.storage()) &&
         a.storage_offset() + a.numel() == b.storage_offset();
}

struct Joint : torch::autograd::Function<Joint> {
  // Matrices get the type that autocast would give them: they are concatenated and cast in one step, unless they are
  // adjacent in memory. Vectors keep their type, as biases are added in fp32 where possible and cast later otherwise.
  static at::Tensor forward(AutogradContext* ctx, at::Tensor a, at::Tensor b, at::Tensor c) {
    RECORD_FUNCTION("sst::joint", std::vector<c10::IValue>({a, b, c}));
    Below below;
    auto device = a.device().type();
    bool is_cast = a.dim() > 1 && at::autocast::is_autocast_enabled(device);
    auto type = is_cast ? at::autocast::get_autocast_dtype(device) : a.scalar_type();
    auto sizes = a.sizes().vec();
    sizes[0] += b.size(0) + c.size(0);
    auto joint = at::empty({0}, a.options().dtype(type));
    std::vector<int64_t> counts, types;
    for (const auto& part : {a, b, c}) {
      counts.push_back(part.size(0));
      types.push_back(static_cast<int64_t>(part.scalar_type()));
    }
    if (a.scalar_type() == type && follows(a, b) && follows(b, c)) {
      joint.set_(a.storage(), a.storage_offset(), sizes, c10::contiguous_strides(sizes));
    } else {
      joint.resize_(sizes);
      int64_t at = 0;
      for (const auto& part : {a, b, c}) {
        joint.narrow(0, at, part.size(0)).copy_(part);
        at += part.size(0);
      }
    }
    ctx->saved_data["counts"] = counts;
    ctx->saved_data["types"] = types;
    return joint;
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    Below below;
    auto counts = ctx->saved_data["counts"].toIntVector(), types = ctx->saved_data["types"].toIntVector();
    variable_list parts;
    int64_t at = 0;
    for (size_t i = 0; i < counts.size(); ++i) {
      parts.push_back(grads[0].narrow(0, at, counts[i]).to(static_cast<at::ScalarType>(types[i])));
      at += counts[i];
    }
    return parts;
  }
};

extern "C" int sst_joint(TensorPtr a, TensorPtr b, TensorPtr c, TensorPtr* joint) {
  SST_GUARD({ *joint = new at::Tensor(Joint::apply(*a, *b, *c)); })
}

}  // namespace sst::joint
