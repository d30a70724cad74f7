#ifndef GREENPLAN_TESTS_RELIABILITY_CRAFTED_REQUESTS_H_
#define GREENPLAN_TESTS_RELIABILITY_CRAFTED_REQUESTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "greenplan/v1/planner_service.pb.h"

namespace greenplan {

// A valid or nearly valid request that is built to cost its planner time or memory, or to make it plan wrongly.
struct CraftedRequest {
  std::string name;
  v1::SolveRequest request;
  absl::Duration timeout;                 // Of the call.
  std::vector<absl::StatusCode> allowed;  // How the call may end.
};

// Sums that overflow, tables that take the whole memory, thousands of ops side by side and tens of thousands one behind
// the other, by each method that takes them.
std::vector<CraftedRequest> CraftedRequests();

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_CRAFTED_REQUESTS_H_
