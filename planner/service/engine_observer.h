#ifndef GREENPLAN_PLANNER_SERVICE_ENGINE_OBSERVER_H_
#define GREENPLAN_PLANNER_SERVICE_ENGINE_OBSERVER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"

namespace greenplan {

// Callbacks that are told what the engine does, for metrics and quotas. Any of them may be empty. They are called from
// many threads at once, also with locks held, so they must be quick and must not call the engine.
//
//   EngineObserver observer{.on_plan = [&](const v1::Plan& plan, int64_t) { metrics.CountPlan(plan); }};
struct EngineObserver {
  // A search for a round's plan took `time`. The tenant is empty if it is not known: nobody who called waits for the
  // plan.
  std::function<void(const std::string& tenant, absl::Duration time)> on_search = {};

  // This planner has made a plan and kept it, without the reports of `num_missing_ranks` ranks. Not called for the plan
  // that another planner was quicker to keep.
  std::function<void(const v1::Plan& plan, int64_t num_missing_ranks)> on_plan = {};

  // A rank's call has waited for other ranks and has its answer now.
  std::function<void(absl::Duration time)> on_wait = {};

  // An outcome was kept of a round of `job`, whose plan was `plan`. Not called for an outcome that is sent again.
  std::function<void(const std::string& tenant, const v1::Job& job, const v1::Plan& plan, const v1::Outcome& outcome)>
      on_outcome = {};
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_ENGINE_OBSERVER_H_
