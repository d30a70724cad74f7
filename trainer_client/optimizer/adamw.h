#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_H_

#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ATen/core/Tensor.h"
#include "absl/status/status.h"
#include "trainer_client/optimizer/optimizer.h"

namespace greenplan::trainer {

// The caller must keep to the ranges stated here; they are not checked.
struct AdamWOptions {
  double learning_rate = 5e-5;  // >= 0.
  double beta1 = 0.9;           // In [0, 1).
  double beta2 = 0.999;         // In [0, 1).
  double epsilon = 1e-8;        // > 0.
  double weight_decay = 0;      // >= 0. Decoupled: each step also does w -= learning_rate * weight_decay * w.
};

// AdamW (Loshchilov & Hutter, ICLR 2019), computed by LibTorch's fused kernel and made for tensors that are frozen for
// a while and then train again:
// - If the gradient of a parameter is undefined, a step does not change the parameter at all, not even by weight decay.
//   It keeps its moments and its step count until it trains again.
// - Only tensors that have been stepped have moments. They take twice the memory of the tensors that ever trained.
// - NextUpdate() computes the next step on scratch memory with the same kernel. Its result equals w' - w of the real
//   step bit for bit.
//
//   AdamW optimizer(model->named_parameters().pairs(), {.learning_rate = 1e-3});
//   loss.backward();
//   optimizer.Step();
//   optimizer.ClearGradients();
//
// Not thread-safe, except that several threads may call NextUpdate() at the same time.
class AdamW : public Optimizer {
 public:
  using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;

  // Shares the parameters with the caller. A tensor that is listed twice, as a tied one may be, is stepped once and
  // goes by its first name. REQUIRES: names are unique; the tensors are leaves, contiguous, of floating point, and all
  // on one device.
  AdamW(NamedParameters parameters, const AdamWOptions& options);

  // See Optimizer. Parameters whose gradient is undefined keep their value, their moments and their step count.
  void Step() override;
  bool Owns(const at::Tensor& parameter) const override;
  void ClearGradients() override;

  const AdamWOptions& options() const { return options_; }
  void set_learning_rate(double learning_rate) override { options_.learning_rate = learning_rate; }

  // See UpdateRule. Needs a few MB of scratch memory, on a GPU up to 128 MB, in addition to the result.
  // REQUIRES: `parameter` was given to the constructor.
  at::Tensor NextUpdate(const at::Tensor& parameter, const at::Tensor& gradient) const override;

  // See UpdateRule. For contiguous float32 tensors on a CPU it reads each element once and takes no scratch memory. It
  // then agrees with NextUpdate() to the rounding of float32. On a GPU see adamw_jit.h.
  // REQUIRES: as above.
  at::Tensor ProductWithNextUpdate(const at::Tensor& parameter, const at::Tensor& gradient,
                                   const at::Tensor& direction) const override;

  // See UpdateRule. Told by the moments.
  bool TellsLastUpdate() const override { return true; }
  at::Tensor LastUpdate(const at::Tensor& parameter) const override;

  void PlaceState(const std::vector<at::Tensor>& frozen, FrozenState policy) override;

  // "NAME.exp_avg", "NAME.exp_avg_sq" and "NAME.step" of every tensor that has been stepped.
  State state() const override;

  // Returns INVALID_ARGUMENT if an entry belongs to no parameter, if one of a parameter's three entries is missing, or
  // if an entry has the wrong shape.
  absl::Status LoadState(const State& state) override;

 private:
  struct Moments {
    // Of the parameter's shape and dtype, on its device unless they are offloaded.
    at::Tensor exp_avg;
    at::Tensor exp_avg_sq;
    at::Tensor step;        // The number of steps made, a float32 scalar on the parameter's device.
    double steps_made = 0;  // The same, where it can be read without waiting for the device.

    void MoveTo(const at::Device& device) {
      exp_avg = exp_avg.to(device);
      exp_avg_sq = exp_avg_sq.to(device);
    }
  };

  NamedParameters parameters_;
  AdamWOptions options_;
  double last_learning_rate_ = 0;  // Of the last Step().
  std::unordered_map<const at::TensorImpl*, Moments> moments_;
};

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_ADAMW_H_
