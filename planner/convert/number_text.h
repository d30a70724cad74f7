#ifndef GREENPLAN_PLANNER_CONVERT_NUMBER_TEXT_H_
#define GREENPLAN_PLANNER_CONVERT_NUMBER_TEXT_H_

#include <string>

namespace greenplan {

// Returns the shortest text that reads back as the same number: "1.0000001", where absl::StrCat says "1". For messages
// that refuse a number, which may be just beyond what is allowed. Pure function, thread-safe.
std::string NumberText(double value);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_NUMBER_TEXT_H_
