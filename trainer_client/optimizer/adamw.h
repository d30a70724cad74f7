#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_H_

#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "trainer_client/optimizer/update_rule.h"

namespace greenplan::trainer {

struct AdamWOptions {
  double learning_rate = 5e-5;  // >= 0.
  double beta1 = 0.9;           // In [0, 1).
  double beta2 = 0.999;         // In [0, 1).
  double epsilon = 1e-8;        // > 0.
  double weight_decay = 0;  // Decoupled, >= 0, on every tensor that is stepped: w -= learning_rate * weight_decay * w.
};

// AdamW (Loshchilov & Hutter, ICLR 2019) by LibTorch's fused kernel, built for tensors that freeze and thaw:
// - A parameter whose gradient is undefined is not touched by one bit, weight decay included, and keeps its moments and
//   its step count for when it trains again.
// - Moments exist only for tensors that have been stepped: memory is 2 x the size of what ever trained.
// - NextUpdate replays the coming step on scratch, with the same kernel: bit-equal to w' - w of the real step.
//
//   AdamW optimizer(model->named_parameters().pairs(), {.learning_rate = 1e-3});
//   loss.backward();
//   optimizer.Step();
//   optimizer.ClearGradients();
//
// Not thread-safe; NextUpdate alone may be called from several threads at once.
class AdamW : public UpdateRule {
 public:
  using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;
  using State = std::map<std::string, at::Tensor>;

  // REQUIRES: unique names; leaf tensors, contiguous, of floating point, all on one device.
  AdamW(NamedParameters parameters, const AdamWOptions& options);

  // One step for every parameter that has a gradient.
  void Step();
  // Makes every gradient undefined. (Zeros would keep frozen tensors moving by momentum and decay.)
  void ClearGradients();

  const AdamWOptions& options() const { return options_; }
  void set_learning_rate(double learning_rate) { options_.learning_rate = learning_rate; }

  // Scratch beside the result: a few MB. REQUIRES: `parameter` is one of the constructor's.
  at::Tensor NextUpdate(const at::Tensor& parameter, const at::Tensor& gradient) const override;

  // For a resume: "NAME.exp_avg", "NAME.exp_avg_sq" and "NAME.step" of every tensor that has been stepped. The tensors
  // are the live ones, not copies.
  State state() const;
  // Replaces the state. InvalidArgument names the entry that is unknown, missing its siblings or of another shape; the
  // state is then as before.
  absl::Status LoadState(const State& state);

 private:
  struct Moments {
    at::Tensor exp_avg;     // As the parameter.
    at::Tensor exp_avg_sq;  // As the parameter.
    at::Tensor step;        // float32 scalar on the parameter's device: steps made.
  };

  NamedParameters parameters_;
  AdamWOptions options_;
  std::unordered_map<const at::TensorImpl*, Moments> moments_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_H_
