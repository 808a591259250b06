// Activation checkpointing: a node of autograd that keeps its input alone, and runs a Rust closure again in
// the backward pass.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/autocast_mode.h>
#include <torch/custom_class.h>

#include "bridge.h"

// Runs the closure on `input`; on failure returns 1 and leaves a message behind.
using CheckpointCall = int (*)(void* closure, TensorPtr input, TensorPtr* output, char* message, size_t room);
using CheckpointDrop = void (*)(void* closure);

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Owns the closure as long as the graph lives.
struct Closure : torch::CustomClassHolder {
  void* data;
  CheckpointCall call;
  CheckpointDrop drop;
  Closure(void* d, CheckpointCall c, CheckpointDrop x) : data(d), call(c), drop(x) {}
  ~Closure() override { drop(data); }

  at::Tensor run(at::Tensor input) const {
    TensorPtr output = nullptr;
    char message[1024] = {0};
    if (call(data, &input, &output, message, sizeof(message)) != 0) throw std::runtime_error(message);
    at::Tensor result = *output;
    delete output;
    return result;
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

// Autocast as it was in the forward pass. Casts are not cached: those of the forward pass have no graph.
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
  // `anchor` asks for a gradient, so that the node is part of the graph even where its input is not: the
  // parameters in the closure are invisible to autograd.
  static at::Tensor forward(AutogradContext* ctx, at::Tensor input, at::Tensor anchor,
                            c10::intrusive_ptr<Closure> closure) {
    auto device = input.device().type();
    auto enabled = at::autocast::is_autocast_enabled(device);
    auto type = at::autocast::get_autocast_dtype(device);
    variable_list saved{input};
    for (auto& generator : generators(input)) saved.push_back(state_of(generator));
    ctx->save_for_backward(saved);
    ctx->saved_data["autocast"] = enabled;
    ctx->saved_data["type"] = static_cast<int64_t>(type);
    ctx->saved_data["closure"] = at::IValue::make_capsule(closure);
    AutocastScope scope(device, enabled, type);
    return closure->run(input);
  }

  static variable_list backward(AutogradContext* ctx, variable_list grads) {
    auto saved = ctx->get_saved_variables();
    auto input = saved[0].detach().requires_grad_(saved[0].requires_grad());
    auto capsule = ctx->saved_data["closure"].toCapsule();
    auto closure = c10::static_intrusive_pointer_cast<Closure>(capsule);
    auto type = static_cast<at::ScalarType>(ctx->saved_data["type"].toInt());
    auto all = generators(input);
    std::vector<at::Tensor> now;
    for (size_t i = 0; i < all.size(); ++i) {
      now.push_back(state_of(all[i]));
      set_state(all[i], saved[i + 1]);
    }
    at::Tensor output;
    try {
      at::AutoGradMode with_graph(true);
      AutocastScope scope(input.device().type(), ctx->saved_data["autocast"].toBool(), type);
      output = closure->run(input);
    } catch (...) {
      for (size_t i = 0; i < all.size(); ++i) set_state(all[i], now[i]);
      throw;
    }
    for (size_t i = 0; i < all.size(); ++i) set_state(all[i], now[i]);
    torch::autograd::backward({output}, {grads[0]});
    return {input.grad(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

// Takes the closure over, whatever happens.
extern "C" int sst_checkpoint(TensorPtr input, void* closure, CheckpointCall call, CheckpointDrop drop,
                              TensorPtr* output) {
  SST_GUARD({
    auto holder = c10::make_intrusive<Closure>(closure, call, drop);
    auto anchor = at::empty({0}, input->options().dtype(at::kFloat)).requires_grad_(true);
    *output = new torch::Tensor(Checkpoint::apply(*input, anchor, holder));
  })
}
