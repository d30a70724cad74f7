#ifndef GREENPLAN_PROFILER_AUTOGRAD_EXECUTED_FLOPS_H_
#define GREENPLAN_PROFILER_AUTOGRAD_EXECUTED_FLOPS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace greenplan::profiler {

// Counts the FLOPs that LibTorch executes for the thread that makes the counter, while the counter exists: what this
// thread runs, and the backward nodes of what it recorded, whichever of the engine's threads runs them. What other
// threads of the process train does not count. The counter looks at the operators that run and at the shapes of their
// arguments: 2 FLOPs per multiply-add of matrix products, convolutions and attention products, 0 for everything else.
// It shares no code with the predictor (profile.h), so it can be used to check predictions.
//
//   ExecutedFlopsCounter counter;
//   loss.backward();
//   int64_t flops = counter.backward_flops();
//
// Thread-safe. Several counters may exist at the same time, and each counts everything that runs during its own life.
class ExecutedFlopsCounter {
 public:
  ExecutedFlopsCounter();
  ~ExecutedFlopsCounter();
  ExecutedFlopsCounter(const ExecutedFlopsCounter&) = delete;
  ExecutedFlopsCounter& operator=(const ExecutedFlopsCounter&) = delete;

  // Return the FLOPs executed since construction: outside backward nodes, and by backward nodes.
  int64_t forward_flops() const;
  int64_t backward_flops() const;

  // Returns backward_flops() by the name of the backward node that ran them, such as MmBackward0. Nodes that ran none
  // are left out.
  std::map<std::string, int64_t> backward_flops_by_node() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_AUTOGRAD_EXECUTED_FLOPS_H_
