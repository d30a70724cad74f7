#include "planner/service/job_directory.h"

#include <limits>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "planner/core/invalid_argument.h"
#include "planner/job/resource_names.h"
#include "planner/service/page_reader.h"
#include "planner/service/page_token.h"

namespace greenplan {
namespace {

using Prepared = absl::StatusOr<std::shared_ptr<const PreparedJob>>;

// A call that loses this many races in a row gives up, so that no thread is held for good.
constexpr int kMaxRacesLost = 100;

// What a call that creates or changes a job makes of it: the job that is kept ready with what is derived from its
// profile, one without its profile for the store, the serialized one, and the answer.
constexpr int kCopiesOfAChange = 4;

int64_t NewJobId() {
  absl::BitGen random;
  return absl::Uniform<int64_t>(absl::IntervalClosedClosed, random, 1, std::numeric_limits<int64_t>::max());
}

absl::Status IsBusy(const std::string& job_name) {
  return absl::UnavailableError(absl::StrCat(job_name, " is being changed by other calls; try again"));
}

std::string RevisionOf(absl::string_view job_name, int64_t revision) {
  return absl::StrCat("revision ", revision, " of ", job_name);
}

}  // namespace

JobDirectory::JobDirectory(Store* store, Options options)
    : store_(*store),
      options_(std::move(options)),
      cache_(options_.max_cached_bytes),
      bytes_in_work_(options_.max_bytes_in_work) {}

absl::StatusOr<v1::Job> JobDirectory::CreateJob(const std::string& tenant, const v1::CreateJobRequest& request) {
  const JobKey key = {tenant, request.job().name()};
  if (absl::Status status = ValidateJobName(key.name, "job.name"); !status.ok()) return status;
  // Every rank of a job creates it; all but the first find it, and need not prepare it anew.
  absl::StatusOr<FoundJob> existing = FindCreated(key, request.job());
  absl::StatusOr<MemoryBudget::Share> share =
      WaitForMemory(static_cast<int64_t>(request.job().SpaceUsedLong()), existing.ok() ? 1 : kCopiesOfAChange);
  if (!share.ok()) return share.status();
  if (existing.ok()) return existing->job->job();
  if (!absl::IsNotFound(existing.status()) && !absl::IsAlreadyExists(existing.status())) return existing.status();
  const Prepared job = PreparedJob::Create(NewJob(request.job(), options_.now()));
  if (!job.ok()) return job.status();
  if (absl::Status status = (*job)->CheckOptions(); !status.ok()) return status;
  if (absl::IsAlreadyExists(existing.status())) return existing.status();
  if (absl::Status status = AdmitUsage(tenant, (*job)->job(), /*is_new=*/true); !status.ok()) return status;
  if (request.validate_only()) return (*job)->job();
  const int64_t id = NewJobId();
  const absl::Status created = store_.CreateJob(key, {id, (*job)->job()});
  if (created.ok()) {
    cache_.Insert(id, *job);
    return (*job)->job();
  }
  if (!absl::IsAlreadyExists(created)) return Hide(created);
  // Another call was quicker; what it has created counts, unless it is gone again.
  *share = nullptr;
  existing = FindCreated(key, request.job());
  if (existing.ok()) return existing->job->job();
  return absl::IsNotFound(existing.status()) ? IsBusy(key.name) : existing.status();
}

absl::StatusOr<std::string> JobDirectory::GetJob(const std::string& tenant, const v1::GetJobRequest& request,
                                                 absl::FunctionRef<absl::Status(int64_t num_bytes)> admit) {
  if (request.profile_revision() < 0) {
    return InvalidArgument("profile_revision", " is ", request.profile_revision(),
                           "; must be >= 0, 0 meaning the latest");
  }
  const JobKey key = {tenant, request.name()};
  const absl::StatusOr<JobHead> head = FindHead(key, "name");
  if (!head.ok()) return head.status();
  const int64_t revision = request.profile_revision() == 0 ? head->revision : request.profile_revision();
  const absl::StatusOr<int64_t> size = store_.GetJobSize(head->id, revision);
  if (size.ok()) {
    if (absl::Status status = admit(*size); !status.ok()) return status;
    absl::StatusOr<std::string> job = store_.GetSerializedJob(head->id, revision);
    if (job.ok()) return job;
    if (!absl::IsNotFound(job.status())) return Hide(job.status());
  } else if (!absl::IsNotFound(size.status())) {
    return Hide(size.status());
  }
  return DoesNotExist(request.profile_revision() == 0 ? key.name : RevisionOf(key.name, revision));
}

absl::StatusOr<v1::ListJobsResponse> JobDirectory::ListJobs(const std::string& tenant,
                                                            const v1::ListJobsRequest& request) {
  const absl::StatusOr<int> page_size = PageSize(request.page_size());
  if (!page_size.ok()) return page_size.status();
  const PagedList list = {.rpc = "ListJobs", .tenant = tenant};
  const absl::StatusOr<std::string> after = ParsePageToken(list, request.page_token());
  if (!after.ok()) return after.status();
  absl::StatusOr<Page<v1::Job>> page = ReadPage<v1::Job>(*page_size, [&](const v1::Job* last, int limit) {
    return store_.ListJobs(tenant, last == nullptr ? *after : last->name(), limit);
  });
  if (!page.ok()) return Hide(page.status());
  v1::ListJobsResponse response;
  if (page->has_more) response.set_next_page_token(FormatPageToken(list, page->items.back().name()));
  for (v1::Job& job : page->items) *response.add_jobs() = std::move(job);
  return response;
}

absl::StatusOr<v1::Job> JobDirectory::UpdateJob(const std::string& tenant, const v1::UpdateJobRequest& request) {
  const JobKey key = {tenant, request.job().name()};
  for (int races_lost = 0; races_lost < kMaxRacesLost; ++races_lost) {
    const absl::StatusOr<FoundJob> found = Find(key, "job.name");
    if (!found.ok()) return found.status();
    const v1::Job& latest = found->job->job();
    const absl::StatusOr<MemoryBudget::Share> share =
        WaitForMemory(static_cast<int64_t>(latest.SpaceUsedLong() + request.job().SpaceUsedLong()), kCopiesOfAChange);
    if (!share.ok()) return share.status();
    absl::StatusOr<std::optional<v1::Job>> next = NextRevision(latest, request.job(), options_.now());
    if (!next.ok()) return next.status();
    if (!next->has_value()) return latest;
    const Prepared job = PreparedJob::Create(**std::move(next));
    if (!job.ok()) return job.status();
    if (absl::Status status = (*job)->CheckOptions(); !status.ok()) return status;
    if (absl::Status status = AdmitUsage(tenant, (*job)->job(), /*is_new=*/false); !status.ok()) return status;
    const absl::Status updated = store_.UpdateJob(found->id, (*job)->job());
    if (updated.ok()) {
      cache_.Insert(found->id, *job);
      return (*job)->job();
    }
    if (!absl::IsAlreadyExists(updated)) return absl::IsNotFound(updated) ? DoesNotExist(key.name) : Hide(updated);
    // A call that was quicker may have changed what this one leaves as it is: begin anew with its revision.
    if (bytes_in_work_.is_closed()) break;
  }
  return IsBusy(key.name);
}

absl::Status JobDirectory::DeleteJob(const std::string& tenant, const v1::DeleteJobRequest& request) {
  const absl::StatusOr<JobHead> head = FindHead({tenant, request.name()}, "name");
  if (!head.ok()) return head.status();
  const absl::Status deleted = store_.DeleteJob(head->id);
  if (!deleted.ok()) return absl::IsNotFound(deleted) ? DoesNotExist(request.name()) : Hide(deleted);
  cache_.Remove(head->id);
  return absl::OkStatus();
}

absl::StatusOr<FoundJob> JobDirectory::Find(const JobKey& key, absl::string_view field) {
  const absl::StatusOr<JobHead> head = FindHead(key, field);
  if (!head.ok()) return head.status();
  Prepared job = FindRevision(head->id, head->revision);
  if (job.ok()) return FoundJob{head->id, *std::move(job)};
  return absl::IsNotFound(job.status()) ? DoesNotExist(key.name) : job.status();
}

absl::StatusOr<JobHead> JobDirectory::FindHead(const JobKey& key, absl::string_view field) {
  if (absl::Status status = ValidateJobName(key.name, field); !status.ok()) return status;
  absl::StatusOr<JobHead> head = store_.GetJobHead(key);
  if (head.ok()) return head;
  return absl::IsNotFound(head.status()) ? DoesNotExist(key.name) : Hide(head.status());
}

Prepared JobDirectory::FindRevision(const FoundJob& found, int64_t revision) {
  if (revision == found.job->job().profile_revision()) return found.job;
  Prepared job = FindRevision(found.id, revision);
  if (absl::IsNotFound(job.status())) return DoesNotExist(RevisionOf(found.job->job().name(), revision));
  return job;
}

Prepared JobDirectory::FindRevision(int64_t job_id, int64_t revision) {
  return cache_.FindOrLoad(job_id, revision, [&]() -> Prepared {
    const absl::StatusOr<int64_t> size = store_.GetJobSize(job_id, revision);
    if (absl::IsNotFound(size.status())) return size.status();
    if (!size.ok()) return Hide(size.status());
    const absl::StatusOr<MemoryBudget::Share> share = WaitForMemory(*size, kBytesPerKeptByte);
    if (!share.ok()) return share.status();
    absl::StatusOr<v1::Job> kept = store_.GetJobRevision(job_id, revision);
    if (absl::IsNotFound(kept.status())) return kept.status();
    if (!kept.ok()) return Hide(kept.status());
    const std::string name = RevisionOf(kept->name(), revision);
    Prepared job = PreparedJob::Create(*std::move(kept));
    if (job.ok()) return job;
    return Hide(absl::DataLossError(absl::StrCat(name, " was kept but is not valid: ", job.status().message())));
  });
}

absl::StatusOr<FoundJob> JobDirectory::FindCreated(const JobKey& key, const v1::Job& request) {
  absl::StatusOr<FoundJob> latest = Find(key, "job.name");
  if (!latest.ok()) return latest.status();
  constexpr int64_t kFirstRevision = 1;
  const Prepared created = FindRevision(*latest, kFirstRevision);
  if (!created.ok()) return created.status();
  if (!SameContent((*created)->job(), request)) return JobIsTaken(key.name);
  return latest;
}

absl::Status JobDirectory::AdmitUsage(const std::string& tenant, const v1::Job& job, bool is_new) const {
  if (!options_.admit_usage) return absl::OkStatus();
  absl::StatusOr<TenantUsage> usage = store_.GetUsage(tenant);
  if (!usage.ok()) return Hide(usage.status());
  usage->num_jobs += is_new ? 1 : 0;
  usage->num_bytes += static_cast<int64_t>(job.ByteSizeLong());
  return options_.admit_usage(tenant, *usage);
}

}  // namespace greenplan
