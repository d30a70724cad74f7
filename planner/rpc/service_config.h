#ifndef GREENPLAN_PLANNER_RPC_SERVICE_CONFIG_H_
#define GREENPLAN_PLANNER_RPC_SERVICE_CONFIG_H_

namespace greenplan {

// Returns the text of service_config.json, gRPC's service config for clients of the planner: round robin over the
// addresses of a name, leaving out those whose health check does not answer SERVING, and retries of what is UNAVAILABLE
// (every RPC but DeleteJob is idempotent). Thread-safe.
const char* ServiceConfigJson();

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_RPC_SERVICE_CONFIG_H_
