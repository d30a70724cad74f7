#ifndef GREENPLAN_BENCHMARKS_SOLVER_PUBLISHED_H_
#define GREENPLAN_BENCHMARKS_SOLVER_PUBLISHED_H_

#include <cstdint>
#include <vector>

namespace greenplan {

// The published planners as they are, for side-by-side runs only. What is wrong with them is kept.

// GreenTrainer's selection (Huang et al., ICLR 2024) on a chain, output first: activation_costs[k] (t_dy) is what
// passing the gradient through tensor k's layer costs, weight_costs[k] (t_dw) its weight gradient. Costs are floored to
// `resolution` steps of the full cost, and a state in which tensor k is selected is kept only if it beats skipping k.
// Returns the mask, which may exceed the budget. O(N^2 * resolution).
std::vector<bool> GreenTrainerSelection(const std::vector<int64_t>& activation_costs,
                                        const std::vector<int64_t>& weight_costs, const std::vector<double>& importance,
                                        double backward_fraction, int resolution);

// DropBP's allocation (Woo et al., NeurIPS 2024): raises by 0.1 the rate of the block with the smallest sensitivity
// times raised rate until the mean drop rate is reached; blind to cost.
std::vector<double> DropBpRates(const std::vector<int64_t>& block_costs, const std::vector<double>& sensitivity,
                                double mean_drop_rate);

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SOLVER_PUBLISHED_H_
