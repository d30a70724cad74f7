#ifndef GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PARALLEL_SUM_H_
#define GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PARALLEL_SUM_H_

#include <cstdint>
#include <functional>

namespace greenplan::trainer {

// Returns term(0) + ... + term(count - 1), added in this order. The terms are computed on the calling thread and on up
// to max_threads - 1 others, those of LibTorch's pool for independent operations; if these are busy, the calling thread
// does the work alone. `term` must be thread-safe and must not throw; tensors must not be created in it.
double ParallelSum(int64_t count, int max_threads, const std::function<double(int64_t)>& term);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_OPTIMIZER_PARALLEL_SUM_H_
