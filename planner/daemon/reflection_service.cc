#include "planner/daemon/reflection_service.h"

#include <set>
#include <utility>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpcpp/support/server_callback.h"
#include "planner/rpc/grpc_status.h"

namespace greenplan {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::DescriptorPool;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;

void AnswerError(grpc::StatusCode code, const std::string& message, ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(code);
  response.mutable_error_response()->set_error_message(message);
}

// Adds the file and those that it imports, each once.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>& added, ServerReflectionResponse& response) {
  if (!added.insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  response.mutable_file_descriptor_response()->add_file_descriptor_proto(proto.SerializeAsString());
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), added, response);
}

// `file` is null if there is none.
void AnswerFile(const FileDescriptor* file, const std::string& what, ServerReflectionResponse& response) {
  if (file == nullptr) return AnswerError(grpc::StatusCode::NOT_FOUND, "there is no " + what, response);
  std::set<const FileDescriptor*> added;
  AddFile(*file, added, response);
}

void AnswerExtensionNumbers(const std::string& type, ServerReflectionResponse& response) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  const Descriptor* descriptor = pool.FindMessageTypeByName(type);
  if (descriptor == nullptr) return AnswerError(grpc::StatusCode::NOT_FOUND, "there is no message " + type, response);
  std::vector<const FieldDescriptor*> extensions;
  pool.FindAllExtensions(descriptor, &extensions);
  auto& answer = *response.mutable_all_extension_numbers_response();
  answer.set_base_type_name(type);
  for (const FieldDescriptor* extension : extensions) answer.add_extension_number(extension->number());
}

const FileDescriptor* FindFileOfExtension(const grpc::reflection::v1alpha::ExtensionRequest& request) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  const Descriptor* type = pool.FindMessageTypeByName(request.containing_type());
  if (type == nullptr) return nullptr;
  const FieldDescriptor* extension = pool.FindExtensionByNumber(type, request.extension_number());
  return extension == nullptr ? nullptr : extension->file();
}

ServerReflectionResponse Answer(const ServerReflectionRequest& request, const std::vector<std::string>& services) {
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case ServerReflectionRequest::kListServices:
      for (const std::string& service : services) {
        response.mutable_list_services_response()->add_service()->set_name(service);
      }
      break;
    case ServerReflectionRequest::kFileByFilename:
      AnswerFile(pool.FindFileByName(request.file_by_filename()), "file " + request.file_by_filename(), response);
      break;
    case ServerReflectionRequest::kFileContainingSymbol:
      AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()),
                 "symbol " + request.file_containing_symbol(), response);
      break;
    case ServerReflectionRequest::kFileContainingExtension:
      AnswerFile(FindFileOfExtension(request.file_containing_extension()), "such extension", response);
      break;
    case ServerReflectionRequest::kAllExtensionNumbersOfType:
      AnswerExtensionNumbers(request.all_extension_numbers_of_type(), response);
      break;
    case ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      AnswerError(grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing that this server knows", response);
  }
  return response;
}

}  // namespace

// One call. At any time it reads, writes or ends.
class ReflectionService::Stream final
    : public grpc::ServerBidiReactor<SmallRequest<ServerReflectionRequest>, ServerReflectionResponse> {
 public:
  Stream(ReflectionService* service, grpc::CallbackServerContext* context) : service_(*service), context_(context) {
    bool is_draining = false;
    {
      absl::MutexLock lock(&service_.mutex_);
      is_draining = service_.is_draining_;
      service_.streams_.insert(context_);
    }
    if (is_draining) context_->TryCancel();
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    if (!request_.status.ok()) return Finish(ToGrpcStatus(request_.status));
    response_ = Answer(request_.message, service_.services_);
    StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::CANCELLED);
    StartRead(&request_);
  }

  void OnDone() override {
    {
      absl::MutexLock lock(&service_.mutex_);
      service_.streams_.erase(context_);
    }
    delete this;
  }

 private:
  ReflectionService& service_;
  grpc::CallbackServerContext* const context_;
  SmallRequest<ServerReflectionRequest> request_;
  ServerReflectionResponse response_;
};

// The handler takes the place of one that reads whatever comes. The number is the RPC's place in reflection.proto.
ReflectionService::ReflectionService(std::vector<std::string> services) : services_(std::move(services)) {
  MarkMethodCallback(
      0, new grpc::internal::CallbackBidiHandler<SmallRequest<ServerReflectionRequest>, ServerReflectionResponse>(
             [this](grpc::CallbackServerContext* context) { return new Stream(this, context); }));
}

void ReflectionService::Drain() {
  absl::MutexLock lock(&mutex_);
  is_draining_ = true;
  for (grpc::CallbackServerContext* stream : streams_) stream->TryCancel();
}

}  // namespace greenplan
