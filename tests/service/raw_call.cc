#include "tests/service/raw_call.h"

#include <chrono>
#include <vector>

#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/channel_arguments.h"
#include "grpcpp/support/slice.h"

namespace greenplan {
namespace {

grpc::ByteBuffer ToBuffer(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return grpc::ByteBuffer(&slice, 1);
}

std::string ToString(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Dump(&slices).ok()) return "";
  std::string bytes;
  for (const grpc::Slice& slice : slices) bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return bytes;
}

// A channel that shares no connection with others, so that it tries to connect at once, however often others have
// failed.
std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("dns:///" + address, grpc::InsecureChannelCredentials(), arguments);
}

// One call, driven from one thread: each operation is waited for before the next.
class RawCall {
 public:
  explicit RawCall(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  }

  absl::StatusOr<std::string> Unary(const std::string& method, const std::string& request) {
    const auto call = stub_.PrepareUnaryCall(&context_, method, ToBuffer(request), &queue_);
    grpc::ByteBuffer response;
    grpc::Status status;
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    WaitForNext();
    return Answer(response, status);
  }

  absl::StatusOr<std::string> Stream(const std::string& method, const std::string& request) {
    const auto call = stub_.PrepareCall(&context_, method, &queue_);
    grpc::ByteBuffer response;
    call->StartCall(nullptr);
    if (WaitForNext()) {
      call->Write(ToBuffer(request), nullptr);
      WaitForNext();
      call->Read(&response, nullptr);
      WaitForNext();
      call->WritesDone(nullptr);
      WaitForNext();
    }
    grpc::Status status;
    call->Finish(&status, nullptr);
    WaitForNext();
    return Answer(response, status);
  }

 private:
  bool WaitForNext() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  static absl::StatusOr<std::string> Answer(const grpc::ByteBuffer& response, const grpc::Status& status) {
    if (status.ok()) return ToString(response);
    return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  }

  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
};

}  // namespace

absl::StatusOr<std::string> RawUnaryCall(const std::string& address, const std::string& method,
                                         const std::string& request) {
  return RawChannel(address).UnaryCall(method, request);
}

RawChannel::RawChannel(const std::string& address) : channel_(NewChannel(address)) {}

absl::StatusOr<std::string> RawChannel::UnaryCall(const std::string& method, const std::string& request) {
  return RawCall(channel_).Unary(method, request);
}

absl::StatusOr<std::string> RawStreamCall(const std::string& address, const std::string& method,
                                          const std::string& request) {
  return RawCall(NewChannel(address)).Stream(method, request);
}

}  // namespace greenplan
