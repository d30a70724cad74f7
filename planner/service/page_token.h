#ifndef GREENPLAN_PLANNER_SERVICE_PAGE_TOKEN_H_
#define GREENPLAN_PLANNER_SERVICE_PAGE_TOKEN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Page sizes and page tokens of the RPCs that list. A token says where in its list the next page begins. It
// means nothing to clients, and only the list that it was made for takes it. It is no secret and no permission: what a
// caller may list is checked for every page. Pure functions, thread-safe.

// Which list a token belongs to.
struct PagedList {
  absl::string_view rpc;     // Such as "ListPlans".
  absl::string_view tenant;  // Of the caller.
  absl::string_view parent;  // Of the request; empty if it has none.
};

// Returns the number of items that a request with this page_size asks for: 0 means 100, and more than 1000 means 1000.
// InvalidArgument, naming page_size, if it is negative.
absl::StatusOr<int> PageSize(int32_t page_size);

// Returns a token. `position` says where the list goes on, in the list's own terms; it may hold any bytes.
std::string FormatPageToken(const PagedList& list, absl::string_view position);

// Returns the position in a token; it is empty for an empty token, which stands for the first page. InvalidArgument,
// naming page_token, unless FormatPageToken made the token for this list.
absl::StatusOr<std::string> ParsePageToken(const PagedList& list, absl::string_view token);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_PAGE_TOKEN_H_
