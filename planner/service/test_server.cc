#include "planner/service/test_server.h"

#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "planner/rpc/limits.h"
#include "planner/store/memory/memory_store.h"

namespace greenplan {

TestServer::TestServer(const Options& options)
    : own_store_(options.store == nullptr ? NewMemoryStore() : nullptr),
      engine_(options.store == nullptr ? own_store_.get() : options.store, options.engine),
      handlers_(&engine_, options.calls) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.RegisterService(&handlers_);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

TestServer::~TestServer() {
  Drain();
  server_->Shutdown();
}

std::unique_ptr<v1::PlannerService::Stub> TestServer::NewStub(grpc::ChannelArguments arguments) const {
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return v1::PlannerService::NewStub(
      grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments));
}

}  // namespace greenplan
