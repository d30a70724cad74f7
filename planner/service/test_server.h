#ifndef GREENPLAN_PLANNER_SERVICE_TEST_SERVER_H_
#define GREENPLAN_PLANNER_SERVICE_TEST_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/server.h"
#include "grpcpp/support/channel_arguments.h"
#include "planner/service/job_engine.h"
#include "planner/service/rpc_handlers.h"
#include "planner/store/store.h"

namespace greenplan {

// A planner service in this process, on a free port of 127.0.0.1. The destructor drains it, then waits for the calls in
// progress.
class TestServer {
 public:
  // The store, and the options of the parts that the server is made of.
  struct Options {
    Store* store = nullptr;  // Must outlive the server; two servers over one store are replicas. Null: one in memory.
    JobEngine::Options engine = {};
    RpcHandlers::Options calls = {};
  };

  TestServer() : TestServer(Options()) {}
  explicit TestServer(const Options& options);
  ~TestServer();

  // "127.0.0.1:PORT".
  const std::string& address() const { return address_; }
  // The engine behind the server, for what a test does without RPCs.
  JobEngine& engine() { return engine_; }
  // Returns what the answers that clients have not taken yet take.
  int64_t answer_bytes() const { return handlers_.answer_bytes(); }
  // Ends waiting calls and watches with UNAVAILABLE, as a daemon that drains.
  void Drain() { handlers_.Drain(); }

  // Returns a stub with a connection of its own.
  std::unique_ptr<v1::PlannerService::Stub> NewStub(grpc::ChannelArguments arguments = {}) const;

 private:
  const std::unique_ptr<Store> own_store_;
  JobEngine engine_;
  RpcHandlers handlers_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_TEST_SERVER_H_
