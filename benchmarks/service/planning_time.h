#ifndef GREENPLAN_BENCHMARKS_SERVICE_PLANNING_TIME_H_
#define GREENPLAN_BENCHMARKS_SERVICE_PLANNING_TIME_H_

#include <cstdint>
#include <memory>

#include "benchmarks/service/workload.h"
#include "planner/job/prepared_job.h"

namespace greenplan {

// The planning of one round after the other in this process: what a call of PlanRound takes for its plan alone.
class PlanningTime {
 public:
  explicit PlanningTime(const Workload* workload);

  // Returns how long reading the next round's report and planning it took, in microseconds.
  double PlanNextRound();

 private:
  const Workload& workload_;
  std::shared_ptr<const PreparedJob> job_;
  int64_t next_round_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SERVICE_PLANNING_TIME_H_
