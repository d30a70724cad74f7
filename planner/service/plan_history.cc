#include "planner/service/plan_history.h"

#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "planner/job/outcomes.h"
#include "planner/job/resource_names.h"
#include "planner/service/page_reader.h"
#include "planner/service/page_token.h"

namespace greenplan {
namespace {

// The last item of a page, as its token has it. (-1, -1) before the first page.
struct OutcomePosition {
  int64_t round = -1;
  int32_t rank = -1;
};

std::string FormatPosition(const OutcomePosition& position) { return absl::StrCat(position.round, "/", position.rank); }

// Anything but what FormatPosition returns is the position before the first page.
OutcomePosition ParsePosition(const std::string& text) {
  OutcomePosition position;
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('/', 1));
  const bool is_position =
      absl::SimpleAtoi(parts.first, &position.round) && absl::SimpleAtoi(parts.second, &position.rank);
  return is_position ? position : OutcomePosition();
}

}  // namespace

absl::StatusOr<v1::Plan> PlanHistory::GetPlan(const std::string& tenant, const v1::GetPlanRequest& request) {
  const absl::StatusOr<PlanName> name = ParsePlanName(request.name(), "name");
  if (!name.ok()) return name.status();
  const absl::StatusOr<JobHead> job = jobs_.FindHead({tenant, name->job_name}, "name");
  if (!job.ok()) return job.status();
  absl::StatusOr<KeptPlan> kept = store_.GetPlan(job->id, name->round);
  if (kept.ok()) return std::move(kept->plan);
  return absl::IsNotFound(kept.status()) ? DoesNotExist(request.name()) : Hide(kept.status());
}

absl::StatusOr<v1::ListPlansResponse> PlanHistory::ListPlans(const std::string& tenant,
                                                             const v1::ListPlansRequest& request) {
  const absl::StatusOr<int> page_size = PageSize(request.page_size());
  if (!page_size.ok()) return page_size.status();
  const PagedList list = {.rpc = "ListPlans", .tenant = tenant, .parent = request.parent()};
  const absl::StatusOr<std::string> token = ParsePageToken(list, request.page_token());
  if (!token.ok()) return token.status();
  const absl::StatusOr<JobHead> job = jobs_.FindHead({tenant, request.parent()}, "parent");
  if (!job.ok()) return job.status();
  int64_t start_round = 0;  // Of the page; the token holds it.
  if (!absl::SimpleAtoi(*token, &start_round)) start_round = 0;
  absl::StatusOr<Page<v1::Plan>> page = ReadPage<v1::Plan>(*page_size, [&](const v1::Plan* last, int limit) {
    return store_.ListPlans(job->id, last == nullptr ? start_round : last->round() + 1, limit);
  });
  if (!page.ok()) return Hide(page.status());
  v1::ListPlansResponse response;
  if (page->has_more) response.set_next_page_token(FormatPageToken(list, absl::StrCat(page->items.back().round() + 1)));
  for (v1::Plan& plan : page->items) *response.add_plans() = std::move(plan);
  return response;
}

absl::Status PlanHistory::ReportOutcome(const std::string& tenant, const v1::ReportOutcomeRequest& request) {
  const v1::Outcome& outcome = request.outcome();
  const absl::StatusOr<FoundJob> found = jobs_.Find({tenant, request.job()}, "job");
  if (!found.ok()) return found.status();
  const v1::Job& job = found->job->job();
  if (absl::Status status = ValidateOutcome(outcome, job.world_size()); !status.ok()) return status;
  const absl::StatusOr<KeptPlan> kept = store_.GetPlan(found->id, outcome.round());
  if (absl::IsNotFound(kept.status())) return OutcomeWithoutPlan(job.name(), outcome);
  if (!kept.ok()) return Hide(kept.status());
  const absl::StatusOr<std::optional<v1::Outcome>> earlier = store_.AddOutcome(found->id, outcome);
  if (!earlier.ok()) return absl::IsNotFound(earlier.status()) ? DoesNotExist(job.name()) : Hide(earlier.status());
  if (earlier->has_value()) {
    return SameOutcome(**earlier, outcome) ? absl::OkStatus() : OutcomeIsTaken(job.name(), outcome);
  }
  if (options_.observer.on_outcome) options_.observer.on_outcome(tenant, job, kept->plan, outcome);
  return absl::OkStatus();
}

absl::StatusOr<v1::ListOutcomesResponse> PlanHistory::ListOutcomes(const std::string& tenant,
                                                                   const v1::ListOutcomesRequest& request) {
  const absl::StatusOr<int> page_size = PageSize(request.page_size());
  if (!page_size.ok()) return page_size.status();
  const PagedList list = {.rpc = "ListOutcomes", .tenant = tenant, .parent = request.parent()};
  const absl::StatusOr<std::string> token = ParsePageToken(list, request.page_token());
  if (!token.ok()) return token.status();
  const absl::StatusOr<JobHead> job = jobs_.FindHead({tenant, request.parent()}, "parent");
  if (!job.ok()) return job.status();
  const OutcomePosition after = ParsePosition(*token);
  absl::StatusOr<Page<v1::Outcome>> page = ReadPage<v1::Outcome>(*page_size, [&](const v1::Outcome* last, int limit) {
    const OutcomePosition from = last == nullptr ? after : OutcomePosition{last->round(), last->rank()};
    return store_.ListOutcomes(job->id, from.round, from.rank, limit);
  });
  if (!page.ok()) return Hide(page.status());
  v1::ListOutcomesResponse response;
  if (page->has_more) {
    const v1::Outcome& last = page->items.back();
    response.set_next_page_token(FormatPageToken(list, FormatPosition({last.round(), last.rank()})));
  }
  for (v1::Outcome& outcome : page->items) *response.add_outcomes() = std::move(outcome);
  return response;
}

}  // namespace greenplan
