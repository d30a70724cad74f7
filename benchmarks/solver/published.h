#ifndef GREENPLAN_BENCHMARKS_SOLVER_PUBLISHED_H_
#define GREENPLAN_BENCHMARKS_SOLVER_PUBLISHED_H_

#include <cstdint>
#include <vector>

namespace greenplan {

// The published planners, as they are, with their errors. They serve only to be compared with ours.

// Returns the selection of GreenTrainer (Huang et al., ICLR 2024) on a chain. The tensors are in order from the output
// to the input. activation_costs[k] (t_dy) is the cost of passing the gradient through tensor k's layer, and
// weight_costs[k] (t_dw) is the cost of its weight gradient. Costs are rounded down to `resolution` steps of the full
// cost, so the returned mask [num_tensors] may exceed the budget. A state that selects tensor k is kept only if it is
// better than skipping k, so the mask may not be the best one either. Takes O(N^2 * resolution).
std::vector<bool> GreenTrainerSelection(const std::vector<int64_t>& activation_costs,
                                        const std::vector<int64_t>& weight_costs, const std::vector<double>& importance,
                                        double backward_fraction, int resolution);

// Returns the rates [num_blocks] of DropBP's allocation (Woo et al., NeurIPS 2024). It raises rates by 0.1 until the
// mean drop rate is reached. Each time it chooses the block for which sensitivity times raised rate is smallest and
// ignores what the block costs.
std::vector<double> DropBpRates(const std::vector<int64_t>& block_costs, const std::vector<double>& sensitivity,
                                double mean_drop_rate);

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SOLVER_PUBLISHED_H_
