#include "planner/daemon/reflection_service.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using grpc::reflection::v1alpha::ServerReflection;
using grpc::reflection::v1alpha::ServerReflectionRequest;
using grpc::reflection::v1alpha::ServerReflectionResponse;
using ::testing::ElementsAre;

constexpr char kFile[] = "grpc/reflection/v1alpha/reflection.proto";

// One open call.
class ReflectionServiceTest : public ::testing::Test {
 protected:
  ReflectionServiceTest() {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&reflection_);
    server_ = builder.BuildAndStart();
    stub_ = ServerReflection::NewStub(
        grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials()));
    stream_ = stub_->ServerReflectionInfo(&context_);
  }

  ServerReflectionResponse Ask(const ServerReflectionRequest& request) {
    ServerReflectionResponse response;
    EXPECT_TRUE(stream_->Write(request));
    EXPECT_TRUE(stream_->Read(&response));
    EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
    return response;
  }

  // The names of the files in an answer.
  static std::vector<std::string> FilesOf(const ServerReflectionResponse& response) {
    std::vector<std::string> names;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      EXPECT_TRUE(file.ParseFromString(bytes));
      names.push_back(file.name());
    }
    return names;
  }

  ReflectionService reflection_{{"a.Service", "another.Service"}};
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ServerReflection::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<ServerReflectionRequest, ServerReflectionResponse>> stream_;
};

TEST_F(ReflectionServiceTest, AnswersEachRequestOfAStream) {
  ServerReflectionRequest request;
  request.set_host("here");
  request.set_list_services("*");
  const ServerReflectionResponse list = Ask(request);
  EXPECT_EQ(list.valid_host(), "here");
  ASSERT_EQ(list.list_services_response().service_size(), 2);
  EXPECT_EQ(list.list_services_response().service(1).name(), "another.Service");

  request.set_file_by_filename(kFile);
  EXPECT_THAT(FilesOf(Ask(request)), ElementsAre(kFile));
  for (const char* symbol : {"grpc.reflection.v1alpha.ServerReflection", "grpc.reflection.v1alpha.ExtensionRequest",
                             "grpc.reflection.v1alpha.ServerReflection.ServerReflectionInfo"}) {
    request.set_file_containing_symbol(symbol);
    EXPECT_THAT(FilesOf(Ask(request)), ElementsAre(kFile)) << symbol;
  }
  request.set_all_extension_numbers_of_type("grpc.reflection.v1alpha.ExtensionRequest");
  EXPECT_EQ(Ask(request).all_extension_numbers_response().extension_number_size(), 0);

  EXPECT_TRUE(stream_->WritesDone());
  EXPECT_TRUE(stream_->Finish().ok());
}

TEST_F(ReflectionServiceTest, WhatCannotBeFoundIsAnAnswer) {
  ServerReflectionRequest requests[5];
  requests[0].set_file_by_filename("none.proto");
  requests[1].set_file_containing_symbol("no.Symbol");
  requests[2].mutable_file_containing_extension()->set_containing_type("no.Message");
  requests[3].mutable_file_containing_extension()->set_containing_type("grpc.reflection.v1alpha.ExtensionRequest");
  requests[4].set_all_extension_numbers_of_type("no.Message");
  for (const ServerReflectionRequest& request : requests) {
    EXPECT_EQ(Ask(request).error_response().error_code(), grpc::StatusCode::NOT_FOUND) << request.DebugString();
  }
  EXPECT_EQ(Ask({}).error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// 16 MiB of fields that the message does not know would take a gigabyte.
TEST_F(ReflectionServiceTest, ALargeRequestIsNotRead) {
  ServerReflectionRequest request;
  request.set_list_services(std::string(20000, 'a'));
  ServerReflectionResponse response;
  EXPECT_TRUE(stream_->Write(request));
  EXPECT_FALSE(stream_->Read(&response));
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(ReflectionServiceTest, AStreamThatItsClientEndsIsForgotten) {
  ServerReflectionRequest request;
  request.set_list_services("*");
  Ask(request);
  context_.TryCancel();
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server_->Shutdown(std::chrono::system_clock::time_point::max());
}

TEST_F(ReflectionServiceTest, AnOpenStreamDoesNotHoldUpTheShutdown) {
  ServerReflectionRequest request;
  request.set_list_services("*");
  Ask(request);
  reflection_.Drain();
  EXPECT_EQ(stream_->Finish().error_code(), grpc::StatusCode::CANCELLED);

  grpc::ClientContext context;
  EXPECT_EQ(stub_->ServerReflectionInfo(&context)->Finish().error_code(), grpc::StatusCode::CANCELLED);
  server_->Shutdown(std::chrono::system_clock::time_point::max());
}

}  // namespace
}  // namespace greenplan
