#ifndef GREENPLAN_PROFILER_AUTOGRAD_EXECUTED_FLOPS_H_
#define GREENPLAN_PROFILER_AUTOGRAD_EXECUTED_FLOPS_H_

#include <cstdint>
#include <memory>

namespace greenplan::profiler {

// Counts the FLOPs that torch really executes on any thread while it lives, from the operators that run and the shapes
// of their arguments. Shares no code with the predictor (profile.h): it is what predictions are held against.
// Nested counters and several threads are fine. Forward and backward are told apart by the record scope.
class ExecutedFlopsCounter {
 public:
  ExecutedFlopsCounter();
  ~ExecutedFlopsCounter();
  ExecutedFlopsCounter(const ExecutedFlopsCounter&) = delete;
  ExecutedFlopsCounter& operator=(const ExecutedFlopsCounter&) = delete;

  int64_t forward_flops() const;
  int64_t backward_flops() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_EXECUTED_FLOPS_H_
