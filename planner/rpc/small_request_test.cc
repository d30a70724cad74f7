#include "planner/rpc/small_request.h"

#include <string>

#include "greenplan/v1/planner_service.pb.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/slice.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using Request = SmallRequest<v1::WatchPlansRequest>;

// What a handler gets for these bytes. gRPC owns them no longer.
Request Read(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  grpc::ByteBuffer wire(&slice, 1);
  Request request;
  EXPECT_TRUE(grpc::SerializationTraits<Request>::Deserialize(&wire, &request).ok());
  EXPECT_FALSE(wire.Valid());
  return request;
}

TEST(SmallRequest, IsRead) {
  v1::WatchPlansRequest message;
  message.set_parent("jobs/a");
  message.set_start_round(3);
  const Request request = Read(message.SerializeAsString());
  EXPECT_TRUE(request.status.ok()) << request.status;
  EXPECT_EQ(request.message.parent(), "jobs/a");
  EXPECT_EQ(request.message.start_round(), 3);
}

TEST(SmallRequest, ALargeOneIsRefusedUnread) {
  // Strings of a field that the message does not know.
  std::string bytes;
  while (bytes.size() < 16 << 10) bytes += {'\x7a', '\0'};
  EXPECT_TRUE(Read(bytes).status.ok());
  bytes += {'\x7a', '\0'};
  const Request request = Read(bytes);
  EXPECT_EQ(request.status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(request.status.message(), "the request has 16386 bytes; allowed: at most 16384 for this RPC");
  EXPECT_TRUE(request.message.GetReflection()->GetUnknownFields(request.message).empty());
}

TEST(SmallRequest, BytesThatAreNoMessageAreAnInvalidArgument) {
  const Request request = Read("\x0a\x7f");
  EXPECT_EQ(request.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(request.message.parent(), "");
}

}  // namespace
}  // namespace greenplan
