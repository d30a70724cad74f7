#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_CHANGE_TOPICS_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_CHANGE_TOPICS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "planner/store/change_feed.h"

namespace greenplan::postgres {

// Returns a change as the text of a notification between replicas (wakeups.h): "plan JOB_ID ROUND" or "deleted JOB_ID";
// "" stands for Change::Kind::kAny. Both functions are pure and thread-safe.
std::string ToTopic(const Change& change);
// Returns the change in such a text. A topic that this version does not know is kAny, because a replica of a newer
// version may have sent it.
Change ToChange(absl::string_view topic);

}  // namespace greenplan::postgres

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_CHANGE_TOPICS_H_
