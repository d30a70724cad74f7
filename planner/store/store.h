#ifndef GREENPLAN_PLANNER_STORE_STORE_H_
#define GREENPLAN_PLANNER_STORE_STORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/plan.pb.h"

namespace greenplan {

// What outlives the planner: jobs, and the reports and the plan of each of their rounds.
//
// Every Put is atomic, and durable before it returns: once it is OK, neither kill -9 nor a power failure undoes it (a
// driver whose medium cannot promise that says so). Nothing that was put is ever changed. Messages are kept whole, so
// a Get answers them byte for byte as they were put.
// Data is not validated here: whoever puts it has done so.
//
// Besides the errors below, every method may answer Unavailable (the medium cannot be reached now), ResourceExhausted
// (it is full), DataLoss (what it holds is damaged) or Internal, each naming the medium, such as the file's path.
// Thread-safety: safe. Drivers lie in folders of their own, and each passes testing/store_conformance.h.
class Store {
 public:
  virtual ~Store() = default;

  // AlreadyExists if a job of this name is kept.
  virtual absl::Status PutJob(const v1::Job& job) = 0;
  // NotFound.
  virtual absl::StatusOr<v1::Job> GetJob(const std::string& job_name) = 0;
  // The first `limit` jobs by the bytes of their names, after `after_name`.
  virtual absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& after_name, int limit) = 0;

  // Keeps the plan of a round and the reports that it was made from: all of them or, if not OK, none.
  // AlreadyExists if the round has a plan. NotFound if the job does not exist.
  // REQUIRES: plan and reports are of one round, the reports of different ranks.
  virtual absl::Status PutRound(const std::string& job_name, const std::vector<v1::ImportanceReport>& reports,
                                const v1::Plan& plan) = 0;
  // NotFound.
  virtual absl::StatusOr<v1::Plan> GetPlan(const std::string& job_name, int64_t round) = 0;
  // The first `limit` plans of the job by round, from `start_round` on; none if the job does not exist.
  virtual absl::StatusOr<std::vector<v1::Plan>> ListPlans(const std::string& job_name, int64_t start_round,
                                                          int limit) = 0;
  // The round's reports by rank; none if there is no such round or job.
  virtual absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(const std::string& job_name, int64_t round) = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_STORE_H_
