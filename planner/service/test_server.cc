#include "planner/service/test_server.h"

#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"
#include "planner/store/memory/memory_store.h"

namespace greenplan {

TestServer::TestServer() : store_(NewMemoryStore()), engine_(store_.get(), {}), handlers_(&engine_, {}) {
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&handlers_);
  server_ = builder.BuildAndStart();
  address_ = "127.0.0.1:" + std::to_string(port);
}

TestServer::~TestServer() { server_->Shutdown(); }

}  // namespace greenplan
