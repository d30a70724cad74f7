#include "planner/store/postgres/change_topics.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace greenplan::postgres {
namespace {

constexpr absl::string_view kPlan = "plan";
constexpr absl::string_view kDeleted = "deleted";

}  // namespace

std::string ToTopic(const Change& change) {
  switch (change.kind) {
    case Change::Kind::kPlan:
      return absl::StrCat(kPlan, " ", change.job_id, " ", change.round);
    case Change::Kind::kJobDeleted:
      return absl::StrCat(kDeleted, " ", change.job_id);
    case Change::Kind::kAny:
      break;
  }
  return "";
}

Change ToChange(absl::string_view topic) {
  const std::vector<absl::string_view> words = absl::StrSplit(topic, ' ');
  Change change;
  if (words.size() == 3 && words[0] == kPlan && absl::SimpleAtoi(words[1], &change.job_id) &&
      absl::SimpleAtoi(words[2], &change.round)) {
    change.kind = Change::Kind::kPlan;
    return change;
  }
  if (words.size() == 2 && words[0] == kDeleted && absl::SimpleAtoi(words[1], &change.job_id)) {
    change.kind = Change::Kind::kJobDeleted;
    return change;
  }
  return {};
}

}  // namespace greenplan::postgres
