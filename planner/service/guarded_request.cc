#include "planner/service/guarded_request.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/io/coded_stream.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

// Of one request, in memory. A profile of 100,000 tensors takes a quarter of it.
constexpr int64_t kMaxRequestMemory = int64_t{256} << 20;

constexpr int64_t kSmallBytes = 16 << 10;

// Requests in progress are answered within seconds, as a rule.
constexpr absl::Duration kRetryDelay = absl::Seconds(1);

}  // namespace

bool IsLargeRequest(int64_t wire_bytes) { return wire_bytes > kSmallBytes; }

absl::Status TakeShare(const ParsedSize& size, grpc::ByteBuffer& wire, MemoryBudget* budget,
                       MemoryBudget::Share& share) {
  grpc::ProtoBufferReader reader(&wire);
  google::protobuf::io::CodedInputStream stream(&reader);
  const int64_t bytes = size.Estimate(stream, kMaxRequestMemory);
  if (bytes > kMaxRequestMemory) {
    return absl::ResourceExhaustedError(absl::StrCat("the request of ", wire.Length(), " bytes would take more than ",
                                                     kMaxRequestMemory >> 20, " MiB once read; allowed: at most that"));
  }
  share = budget->Take(bytes);
  if (share != nullptr) return absl::OkStatus();
  return WithRetryDelay(
      absl::ResourceExhaustedError("the requests in progress take as much memory as they may; try again in 1s"),
      kRetryDelay);
}

}  // namespace greenplan
