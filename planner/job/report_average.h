#ifndef GREENPLAN_PLANNER_JOB_REPORT_AVERAGE_H_
#define GREENPLAN_PLANNER_JOB_REPORT_AVERAGE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "planner/core/plan.h"
#include "planner/job/exact_mean.h"

namespace greenplan {

// Combines what the ranks of a job measured in one round: the mean of their importance and sensitivity, weighted by
// sample_count (0 counts as 1). Each mean is rounded once, whatever the order of the reports (exact_mean.h).
//
// A tensor that some ranks did not measure takes the mean of the others; a tensor that nobody measured is unmeasured.
// Ranks without sensitivity do not count in its mean; if no rank has any, the result has none.
//
// Takes about 300 bytes for each tensor and block. Not thread-safe.
//
//   ReportAverage average(profile.tensors.size(), profile.blocks.size());
//   for (rank : ranks) average.Add(measurements_of(rank), sample_count_of(rank));
//   const Measurements mean = average.Result();
class ReportAverage {
 public:
  ReportAverage(size_t num_tensors, size_t num_blocks) : importance_(num_tensors), sensitivity_(num_blocks) {}

  // Adds the report of one rank. O(num_tensors + num_blocks). REQUIRES: valid measurements of the profile; sample_count
  // >= 0.
  void Add(const Measurements& measurements, int64_t sample_count);

  // Returns the mean of what was added. REQUIRES: something was added.
  Measurements Result() const;

 private:
  std::vector<ExactMean> importance_;
  std::vector<ExactMean> sensitivity_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_JOB_REPORT_AVERAGE_H_
