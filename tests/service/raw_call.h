#ifndef GREENPLAN_TESTS_SERVICE_RAW_CALL_H_
#define GREENPLAN_TESTS_SERVICE_RAW_CALL_H_

#include <string>

#include "absl/status/statusor.h"

namespace greenplan {

// Calls to `address` ("HOST:PORT") with bytes in place of messages: malformed ones, and those of services whose .proto
// files no Debian package ships (health, reflection). `method` is "/package.Service/Method".
// Each gives up after a minute.

absl::StatusOr<std::string> RawUnaryCall(const std::string& address, const std::string& method,
                                         const std::string& request);

// Sends one message on a stream and answers the first that comes back.
absl::StatusOr<std::string> RawStreamCall(const std::string& address, const std::string& method,
                                          const std::string& request);

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_SERVICE_RAW_CALL_H_
