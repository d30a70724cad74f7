#ifndef GREENPLAN_BENCHMARKS_SERVICE_WORKLOAD_H_
#define GREENPLAN_BENCHMARKS_SERVICE_WORKLOAD_H_

#include <cstdint>
#include <string>
#include <vector>

#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/profile.pb.h"

namespace greenplan {

// What is asked of a server: jobs over one profile that select half of backward, and reports of their rounds.
//
// Thread-safety: const methods may be called from many threads.
class Workload {
 public:
  // A chain of `num_tensors` ops with one tensor each, with costs as in a large model.
  static Workload Chain(int num_tensors);
  // LLaMA's design, with the names that a real model has: 9 tensors per layer and 3 besides.
  static Workload Llama(int num_layers);

  v1::Job Job(const std::string& name, int world_size = 1) const;
  // Consecutive rounds have other importance, and so have consecutive ranks.
  v1::ImportanceReport Report(int64_t round, int rank = 0) const;

  int num_tensors() const { return profile_.tensors_size(); }

 private:
  explicit Workload(v1::ModelProfile profile);

  v1::ModelProfile profile_;
  std::string digest_;
  std::vector<v1::ImportanceReport> reports_;  // Are used in turn.
};

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SERVICE_WORKLOAD_H_
