// Activation checkpointing: an autograd node that saves only its inputs, and runs a Rust closure again in the
// backward pass.
#include "bridge.h"

namespace sst::checkpoint {

// Calls the closure with `n` inputs for `m` outputs. Returns 1 on failure and writes a message.
using CheckpointCall = int (*)(void* closure, size_t n, TensorPtr const* inputs, size_t m, TensorPtr* outputs,
                               char* message, size_t room);
using CheckpointDrop = void (*)(void* closure);

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Owns the closure for as long as the graph lives.
struct Closure : torch::CustomClassHolder {
  void* data;
  CheckpointCall call;
  CheckpointDrop drop;
  size_t outputs;
  Closure(void* d, CheckpointCall c, CheckpointDrop x, size_t m) : data(d), call(c), drop(x), outputs(m) {}
  ~Closure() override { drop(data); }

  variable_list run(variable_list inputs) const {
    std::vector<TensorPtr> from, made(outputs, nullptr);
    for (auto& input : inputs) from.push_back(&input);
    char message[1024] = {0};
    if (call(data, from.size(), from.data(), outputs, made.data(), message, sizeof(message)) != 0) {
      throw std::runtime_error(message);
    }
    variable_list results;
    for (auto* tensor : made) {
      results.push_back(*tensor);
      delete tensor;
    }
    return results;
  }
};

std::vector<at::Generator> generators(const at::Tensor& tensor) {
  std::vector<at::Generator> all{at::detail::getDefaultCPUGenerator()};
  if (tensor.is_cuda()) all.push_back(at::globalContext().defaultGenerator(tensor.device()));
  return all;
}

at::Tensor state_of(const at::Generator& generator) {
  auto copy = generator;
  std::lock_guard<std::mutex> lock(copy.mutex());
  return copy.get_state();
}

void set_state(at::Generator generator, const at::Tensor& state) {
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_state(state);
}

// Restores the autocast state of the forward pass. Casts are not cached, as those of the forward pass have no graph.
struct AutocastScope {
  c10::DeviceType device;
  bool enabled, cache;
  at::ScalarType type;
  AutocastScope(c10::DeviceType d, bool on, at::ScalarType t)
      : device(d),
        enabled(at::autocast::is_autocast_enabled(d)),
        cache(at::autocast::is_autocast_cache_enabled()),
        type(at::autocast::get_autocast_dtype(d)) {
    set(on, t, false);
  }
  ~AutocastScope() { set(enabled, type, cache); }
  void set(bool on, at::ScalarType t, bool keep) const {
    at::autocast::set_autocast_enabled(device, on);
    at::autocast::set_autocast_dtype(device, t);
    at::autocast::set_autocast_cache_enabled(keep);
  }
};

struct Checkpoint : torch::autograd::Function<Checkpoint> {
  // `anchor` requires a gradient, so that the node is part of the graph even if its input does not: autograd cannot
  // see the parameters in the closure.
  static variable_list forward(AutogradContext* ctx, at::TensorList inputs, at::Tensor anchor,
                               c10::intrusive_ptr<Closure> closure) {
    auto device = inputs[0].device().type();
    auto enabled = at::autocast::is_autocast_enabled(device);
    auto type = at::autocast::get_autocast_dtype(device);
    auto saved = inputs.vec();
    for (auto& generator : generators(inputs[0])) saved.push_back(state_of(generator));
    ctx->save_for_backward(saved);
    ctx->set_materialize_grads(false);
    ctx->saved_data["inputs"] = static_cast<int64_t>(inputs.size());
    ctx->saved_data["autocast"] = enabled;
    ctx->saved_data["type"] = static_cast<int64_t>(type);
    ctx->saved_data["closure"] = at::IValue::make_capsule(closure);
    AutocastScope scope(device, enabled, type);
    return closure->run(inputs.vec());
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    auto count = static_cast<size_t>(ctx->saved_data["inputs"].toInt());
    variable_list inputs;
    for (size_t i = 0; i < count; ++i) inputs.push_back(saved[i].detach().requires_grad_(saved[i].requires_grad()));
    auto capsule = ctx->saved_data["closure"].toCapsule();
    auto closure = c10::static_intrusive_pointer_cast<Closure>(capsule);
    auto type = static_cast<at::ScalarType>(ctx->saved_data["type"].toInt());
    auto all = generators(inputs[0]);
    std::vector<at::Tensor> now;
    for (size_t i = 0; i < all.size(); ++i) {
      now.push_back(state_of(all[i]));
      set_state(all[i], saved[i + count]);
    }
    variable_list outputs;
    try {
      at::AutoGradMode with_graph(true);
      AutocastScope scope(inputs[0].device().type(), ctx->saved_data["autocast"].toBool(), type);
      outputs = closure->run(inputs);
    } catch (...) {
      for (size_t i = 0; i < all.size(); ++i) set_state(all[i], now[i]);
      throw;
    }
    for (size_t i = 0; i < all.size(); ++i) set_state(all[i], now[i]);
    variable_list used, used_grads, found;
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!grads[i].defined()) continue;
      used.push_back(outputs[i]);
      used_grads.push_back(grads[i]);
    }
    torch::autograd::backward(used, used_grads);
    for (auto& input : inputs) found.push_back(input.grad());
    found.resize(count + 2);
    return found;
  }
};

// Takes ownership of the closure, also on failure.
extern "C" int sst_checkpoint(size_t n, TensorPtr const* inputs, void* closure, CheckpointCall call,
                              CheckpointDrop drop, size_t m, TensorPtr* outputs) {
  SST_GUARD({
    auto holder = c10::make_intrusive<Closure>(closure, call, drop, m);
    auto anchor = at::empty({0}, inputs[0]->options().dtype(at::kFloat)).requires_grad_(true);
    auto list = sst_list(n, inputs);
    auto made = Checkpoint::apply(at::TensorList(list), anchor, holder);
    for (size_t i = 0; i < m; ++i) outputs[i] = new at::Tensor(made[i]);
  })
}

}  // namespace sst::checkpoint
