#include "profiler/autograd/profile_time.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <utility>

#include "ATen/core/grad_mode.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "planner/core/cost.h"
#include "profiler/autograd/backward_timer.h"
#include "profiler/autograd/contraction.h"
#include "profiler/autograd/graph_reading.h"
#include "profiler/autograd/module_state.h"
#include "profiler/autograd/random_state.h"
#include "profiler/autograd/time_split.h"
#include "torch/csrc/autograd/autograd.h"

namespace greenplan::profiler {
namespace {

constexpr int kMaxRepetitions = 1000;

int64_t SteadyNanoseconds() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

absl::Status CheckOneDevice(const AutogradGraph& graph) {
  std::vector<at::Device> devices;
  for (const GraphNode& node : graph.nodes) {
    for (uint32_t i = 0; i < node.node->num_inputs(); ++i) {
      const torch::autograd::InputMetadata& metadata = node.node->input_metadata(i);
      if (metadata.was_default_constructed()) continue;
      if (devices.empty()) devices.push_back(metadata.device());
      if (metadata.device() != devices[0]) {
        return absl::UnimplementedError(absl::StrCat("backward runs on ", devices[0].str(), " and on ",
                                                     metadata.device().str(),
                                                     "; time can be measured only if all of it runs on one device"));
      }
    }
  }
  return absl::OkStatus();
}

// Returns, for each node [num_nodes], the node of the outermost checkpoint that it runs within, or kNone.
std::vector<int> CheckpointOf(const AutogradGraph& graph) {
  std::vector<int> checkpoint(graph.nodes.size(), kNone);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {  // Consumers come first, so checkpoint[i] is final by now.
    for (const GraphNode::Target& target : graph.nodes[i].targets) {
      if (!graph.nodes[target.node].recomputed) continue;
      checkpoint[target.node] = graph.nodes[i].recomputed ? checkpoint[i] : static_cast<int>(i);
    }
  }
  return checkpoint;
}

// Runs `work`. If it throws, returns INTERNAL with the exception's text.
template <typename Work>
absl::Status Try(const char* what, const Work& work) {
  try {
    work();
    return absl::OkStatus();
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat(what, " failed: ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(what, " failed: ", error.what()));
  }
}

std::vector<at::Tensor> Tensors(const NamedParameters& parameters) {
  std::vector<at::Tensor> tensors;
  for (const auto& [name, parameter] : parameters) tensors.push_back(parameter);
  return tensors;
}

class TimeProfiler {
 public:
  TimeProfiler(const std::function<at::Tensor()>& loss, const NamedParameters& parameters, const TimeOptions& options)
      : make_loss_(loss),
        parameters_(parameters),
        options_(options),
        clock_(options.now_nanoseconds == nullptr ? SteadyNanoseconds : options.now_nanoseconds),
        gradients_(parameters),
        random_state_(RandomState::Current(Tensors(parameters))) {}

  ~TimeProfiler() { random_state_.Restore(); }
  TimeProfiler(const TimeProfiler&) = delete;
  TimeProfiler& operator=(const TimeProfiler&) = delete;

  absl::StatusOr<ModelProfile> Run() {
    if (absl::Status status = WarmUp(); !status.ok()) return status;
    ModelProfile& profile = reading_.profile;
    const std::vector<std::vector<bool>> masks = NestedMasks(profile);
    for (int repetition = 0; repetition < options_.repetitions; ++repetition) {
      if (absl::Status status = TimeFullBackward(); !status.ok()) return status;
      for (int mask = 0; mask < static_cast<int>(masks.size()); ++mask) {
        if (absl::Status status = TimeNodes(mask, masks[mask]); !status.ok()) return status;
      }
    }
    SplitTimes(masks, runs_, checkpoint_of_, profile);
    Calibrate(Median(full_backwards_), profile);
    profile.cost_unit = CostUnit::kNanoseconds;
    profile.forward_cost = Median(forwards_);
    GatherCosts(profile);
    return FinishProfile(std::move(reading_));
  }

 private:
  absl::StatusOr<at::Tensor> Forward() {
    gradients_.Clear();
    random_state_.Restore();
    at::Tensor loss;
    const int64_t before = clock_();
    if (absl::Status status = Try("forward pass", [&] { loss = make_loss_(); }); !status.ok()) return status;
    forwards_.push_back(clock_() - before);
    return loss;
  }

  // Runs the first step, which is not measured, and reads the profile from its graph.
  absl::Status WarmUp() {
    const absl::StatusOr<at::Tensor> loss = Forward();
    if (!loss.ok()) return loss.status();
    absl::StatusOr<GraphReading> reading =
        ReadGraph(*loss, parameters_,
                  {.frozen = options_.frozen, .blocks = {}, .resident = options_.resident, .always = options_.always});
    if (!reading.ok()) return reading.status();
    if (absl::Status status = CheckOneDevice(reading->graph); !status.ok()) return status;
    for (const GraphNode& node : reading->graph.nodes) node_names_.push_back(node.node->name());
    checkpoint_of_ = CheckpointOf(reading->graph);
    reading_ = *std::move(reading);
    reading_.graph = {};  // Its nodes are destroyed with the loss.
    clock_ = AfterWorkOn(loss->device(), std::move(clock_));
    forwards_.clear();
    return Backward(*loss);
  }

  absl::Status TimeFullBackward() {
    const absl::StatusOr<at::Tensor> loss = Forward();
    if (!loss.ok()) return loss.status();
    const int64_t before = clock_();
    if (absl::Status status = Backward(*loss); !status.ok()) return status;
    full_backwards_.push_back(clock_() - before);
    return absl::OkStatus();
  }

  absl::Status Backward(const at::Tensor& loss) {
    const std::vector<at::Tensor> inputs = Inputs(FullMask(reading_.profile));
    return Try("backward", [&] {
      torch::autograd::backward({loss}, {}, /*retain_graph=*/std::nullopt, /*create_graph=*/false, inputs);
    });
  }

  absl::Status TimeNodes(int mask, const std::vector<bool>& trainable) {
    const absl::StatusOr<at::Tensor> loss = Forward();
    if (!loss.ok()) return loss.status();
    if (!loss->requires_grad() || loss->is_leaf()) {
      return absl::InvalidArgumentError(
          "loss required grad in the first call and does not in a later one; it must build the same graph in every "
          "call");
    }
    const absl::StatusOr<AutogradGraph> graph = WalkGraph(*loss->grad_fn());
    if (!graph.ok()) return graph.status();
    if (absl::Status status = CheckSameNodes(*graph); !status.ok()) return status;
    TimedBackward& run = runs_.emplace_back();
    return Try("backward", [&] {
      BackwardTimes times = TimeBackward(*loss, *graph, Inputs(trainable), clock_);
      run = {.mask = mask,
             .start_nanoseconds = times.start_nanoseconds,
             .node_nanoseconds = std::move(times.node_nanoseconds)};
    });
  }

  absl::Status CheckSameNodes(const AutogradGraph& graph) const {
    const bool same =
        std::equal(node_names_.begin(), node_names_.end(), graph.nodes.begin(), graph.nodes.end(),
                   [](const std::string& name, const GraphNode& node) { return name == node.node->name(); });
    if (same) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("loss built a graph of ", node_names_.size(),
                                                   " nodes and then a different one of ", graph.nodes.size(),
                                                   " nodes; it must run the same operators in every call"));
  }

  // Returns the tensors that backward computes gradients for. Returns an empty list, which means all, if everything
  // trains, because a training step does the same and the engine's work should be that of a training step.
  std::vector<at::Tensor> Inputs(const std::vector<bool>& trainable) const {
    const std::vector<Tensor>& tensors = reading_.profile.tensors;
    if (options_.frozen.empty() && trainable == FullMask(reading_.profile)) return {};
    std::vector<at::Tensor> inputs;
    size_t k = 0;  // The tensors are the parameters without repetitions.
    for (const auto& [name, parameter] : parameters_) {
      if (k == tensors.size() || tensors[k].name != name) continue;
      if (trainable[k++]) inputs.push_back(parameter);
    }
    return inputs;
  }

  const std::function<at::Tensor()>& make_loss_;
  const NamedParameters& parameters_;
  const TimeOptions& options_;
  NanosecondClock clock_;
  KeepGradients gradients_;
  const RandomState random_state_;

  GraphReading reading_;
  std::vector<std::string> node_names_;  // [num_nodes]
  std::vector<int> checkpoint_of_;       // [num_nodes]
  std::vector<int64_t> forwards_;        // Nanoseconds.
  std::vector<int64_t> full_backwards_;  // Nanoseconds.
  std::vector<TimedBackward> runs_;
};

}  // namespace

absl::StatusOr<ModelProfile> ProfileTime(const std::function<at::Tensor()>& loss, const NamedParameters& parameters,
                                         const TimeOptions& options) {
  if (options.repetitions < 1 || options.repetitions > kMaxRepetitions) {
    return absl::InvalidArgumentError(
        absl::StrCat("options.repetitions is ", options.repetitions, "; it must be in [1, ", kMaxRepetitions, "]"));
  }
  for (const auto& [name, parameter] : parameters) {
    if (!parameter.defined()) return absl::InvalidArgumentError(absl::StrCat("parameter ", name, " is not defined"));
  }
  return TimeProfiler(loss, parameters, options).Run();
}

absl::StatusOr<ModelProfile> ProfileTime(torch::nn::Module& module, const std::function<at::Tensor()>& loss,
                                         const TimeOptions& options) {
  const NamedParameters parameters = TrainableParameters(module);
  if (parameters.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("module ", module.name(), " has no floating-point parameters; there is nothing to train"));
  }
  const KeepBuffers keep_buffers(module.buffers());
  const RequireGrad require_grad(parameters);
  const at::AutoGradMode grad_mode(true);
  TimeOptions with_buffers = options;
  for (const at::Tensor& buffer : module.buffers()) with_buffers.resident.push_back(buffer);
  return ProfileTime(loss, parameters, with_buffers);
}

}  // namespace greenplan::profiler
