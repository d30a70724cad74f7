#ifndef GREENPLAN_PLANNER_SERVICE_JOB_DIRECTORY_H_
#define GREENPLAN_PLANNER_SERVICE_JOB_DIRECTORY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "greenplan/v1/job.pb.h"
#include "greenplan/v1/planner_service.pb.h"
#include "planner/admission/memory_budget.h"
#include "planner/job/prepared_job.h"
#include "planner/service/job_cache.h"
#include "planner/service/store_errors.h"
#include "planner/store/store.h"

namespace greenplan {

// A job that rounds can be planned for. `id` belongs to this creation of the job (KeptJob); the revision is
// job->job().profile_revision().
struct FoundJob {
  int64_t id = 0;
  std::shared_ptr<const PreparedJob> job;
};

// The jobs of all tenants over a store that other replicas may share: the RPCs about jobs, and the way from a job's
// name to what its rounds are planned with.
//
//   JobDirectory jobs(store.get(), {});
//   absl::StatusOr<v1::Job> created = jobs.CreateJob("team-a", request);
//   absl::StatusOr<FoundJob> found = jobs.Find({"team-a", "jobs/a"});
//
// A tenant's jobs are its own: what another tenant has under the same name is neither found nor in the way.
// Every answer is what the store holds at some moment during the call, so that an update or a deletion by another
// replica counts from the next call on; a job's profile is read and prepared only once per revision while it is cached.
//
// The RPCs' errors are those listed in planner_service.proto. Every method may also answer what HideStoreError makes of
// a failure of the store.
// Thread-safety: safe. Calls block their thread until the store has answered.
class JobDirectory {
 public:
  // The directory's clock, limits and callbacks.
  struct Options {
    // The clock of create_time and update_time.
    std::function<absl::Time()> now = absl::Now;
    // Is told of every failure of the store.
    StoreErrorLog on_store_error = {};
    // Of the jobs kept ready in memory, so that their rounds share what planning derives from their profiles.
    size_t max_cached_bytes = size_t{256} << 20;
    // Of the jobs that are being read from the store, created or updated, about. Beyond it calls wait for each other,
    // on their threads.
    int64_t max_bytes_in_work = int64_t{256} << 20;
    // Whether a tenant may keep this many jobs and bytes in all, as Store::GetUsage counts them, after a job is created
    // or gets a revision. Its error is the call's. Empty: always.
    std::function<absl::Status(const std::string& tenant, const TenantUsage& usage)> admit_usage = {};
  };

  // What a byte of a job in the store takes while it is read and prepared, at most: 9 bytes where ops and tensors
  // have long names and costs, 27 where they have neither, 37 where ops have nothing but an edge.
  static constexpr int kBytesPerKeptByte = 40;

  // `store` must outlive the directory.
  JobDirectory(Store* store, Options options);

  // The RPCs about jobs. Names and errors are those of planner_service.proto; a job of another tenant does not exist.
  absl::StatusOr<v1::Job> CreateJob(const std::string& tenant, const v1::CreateJobRequest& request);
  // Answers the serialized v1.Job, because a large one takes many times its size once it is parsed. Before it is read,
  // `admit` is asked whether an answer of about so many bytes may be made now; its error is the call's.
  absl::StatusOr<std::string> GetJob(const std::string& tenant, const v1::GetJobRequest& request,
                                     absl::FunctionRef<absl::Status(int64_t num_bytes)> admit);
  absl::StatusOr<v1::ListJobsResponse> ListJobs(const std::string& tenant, const v1::ListJobsRequest& request);
  // Updates of one job that run at the same time undo each other's work, all but the first; it is better that one waits
  // for the other before it is called.
  absl::StatusOr<v1::Job> UpdateJob(const std::string& tenant, const v1::UpdateJobRequest& request);
  absl::Status DeleteJob(const std::string& tenant, const v1::DeleteJobRequest& request);

  // Returns the job in its latest revision, ready to plan with. NotFound if there is none. InvalidArgument, naming
  // `field` of the request, if key.name is no name of a job.
  absl::StatusOr<FoundJob> Find(const JobKey& key, absl::string_view field = "job");
  // The same for callers that need only the id and the number of the latest revision. It reads no profile.
  absl::StatusOr<JobHead> FindHead(const JobKey& key, absl::string_view field = "job");
  // Returns another revision of a job that was found. NotFound if there is none. A job that was deleted in the meantime
  // may still be found.
  absl::StatusOr<std::shared_ptr<const PreparedJob>> FindRevision(const FoundJob& found, int64_t revision);
  // The same for callers that know a job by its id alone, such as the timer of a round.
  absl::StatusOr<std::shared_ptr<const PreparedJob>> FindRevision(int64_t job_id, int64_t revision);

  // The daemon drains: ends the calls that wait for memory, or would have to wait later, with Unavailable.
  void Drain() { bytes_in_work_.Close(); }

 private:
  // The job that a CreateJob call for `request` answers if there is one already. NotFound if there is none.
  // AlreadyExists if it was created with other content.
  absl::StatusOr<FoundJob> FindCreated(const JobKey& key, const v1::Job& request);
  // Waits until `num_copies` copies of a job that takes so many bytes in memory may be made. Unavailable if the daemon
  // drains meanwhile.
  absl::StatusOr<MemoryBudget::Share> WaitForMemory(int64_t job_bytes, int num_copies) {
    return bytes_in_work_.Wait(job_bytes * num_copies);
  }
  // Whether the tenant may keep `job` as a new job or as a new revision.
  absl::Status AdmitUsage(const std::string& tenant, const v1::Job& job, bool is_new) const;
  absl::Status Hide(const absl::Status& status) const { return HideStoreError(status, options_.on_store_error); }

  Store& store_;
  const Options options_;
  JobCache cache_;
  MemoryBudget bytes_in_work_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_JOB_DIRECTORY_H_
