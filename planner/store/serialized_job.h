#ifndef GREENPLAN_PLANNER_STORE_SERIALIZED_JOB_H_
#define GREENPLAN_PLANNER_STORE_SERIALIZED_JOB_H_

#include <string>

#include "absl/strings/string_view.h"

namespace greenplan {

// Returns a serialized v1::Job of two parts that drivers keep apart, because lists do without profiles: the job without
// its profile, and the profile, both serialized. Nothing is parsed, which would take many times the memory and the
// time.
std::string JoinJob(absl::string_view without_profile, absl::string_view profile);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SERIALIZED_JOB_H_
