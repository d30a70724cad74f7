#ifndef GREENPLAN_TESTS_SERVICE_RAW_CALL_H_
#define GREENPLAN_TESTS_SERVICE_RAW_CALL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/channel.h"

namespace greenplan {

// Both functions call `method` ("/package.Service/Method") at `address` ("HOST:PORT") with bytes in place of messages.
// So tests can send malformed messages, and use services whose .proto files no Debian package contains (health,
// reflection). They return the status of the call, and DEADLINE_EXCEEDED after a minute.

// Returns the reply to `request`. Each call has a connection of its own.
absl::StatusOr<std::string> RawUnaryCall(const std::string& address, const std::string& method,
                                         const std::string& request);

// Sends one message on a stream and returns the first message that comes back.
absl::StatusOr<std::string> RawStreamCall(const std::string& address, const std::string& method,
                                          const std::string& request);

// A connection for any number of such calls, one after the other.
class RawChannel {
 public:
  explicit RawChannel(const std::string& address);

  // Returns the reply to `request`.
  absl::StatusOr<std::string> UnaryCall(const std::string& method, const std::string& request);

 private:
  const std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_SERVICE_RAW_CALL_H_
