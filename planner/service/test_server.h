#ifndef GREENPLAN_PLANNER_SERVICE_TEST_SERVER_H_
#define GREENPLAN_PLANNER_SERVICE_TEST_SERVER_H_

#include <memory>
#include <string>

#include "grpcpp/server.h"
#include "planner/service/job_engine.h"
#include "planner/service/rpc_handlers.h"
#include "planner/store/store.h"

namespace greenplan {

// A planner service in this process, on a free port of 127.0.0.1 and a store in memory. The destructor waits for the
// calls in progress.
class TestServer {
 public:
  TestServer();
  ~TestServer();

  // "127.0.0.1:PORT".
  const std::string& address() const { return address_; }
  JobEngine& engine() { return engine_; }

 private:
  const std::unique_ptr<Store> store_;
  JobEngine engine_;
  RpcHandlers handlers_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_TEST_SERVER_H_
