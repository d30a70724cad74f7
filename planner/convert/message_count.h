#ifndef GREENPLAN_PLANNER_CONVERT_MESSAGE_COUNT_H_
#define GREENPLAN_PLANNER_CONVERT_MESSAGE_COUNT_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "google/protobuf/descriptor.h"

namespace greenplan {

// Returns how many messages the binary form of a message of `type` holds, at any depth, without building them: two
// bytes may stand for a message that takes a hundred in memory. Counting ends where the bytes are no such message.
// Thread-safe. O(bytes); recurses as deep as messages of the type can be nested, for types that do not hold themselves.
int64_t CountMessages(const google::protobuf::Descriptor& type, absl::string_view bytes);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CONVERT_MESSAGE_COUNT_H_
