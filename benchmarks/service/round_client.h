#ifndef GREENPLAN_BENCHMARKS_SERVICE_ROUND_CLIENT_H_
#define GREENPLAN_BENCHMARKS_SERVICE_ROUND_CLIENT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "benchmarks/service/server_process.h"
#include "benchmarks/service/workload.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/client_context.h"

namespace greenplan {

// A client of a server, with a connection of its own: one rank of a job that asks for the plan of one round after the
// other.
//
// Thread-safety: one call at a time.
class RoundClient {
 public:
  // What the arguments point to must outlive the client.
  RoundClient(const ServerProcess& server, const Workload* workload, std::string job, int rank = 0);

  // Creates the job on the server.
  void CreateJob(int world_size = 1) { CreateJob(name_, world_size); }
  // Creates another one like it.
  void CreateOtherJob(const std::string& name) { CreateJob(name, 1); }

  // Asks for the plan of the next round. Returns how long the call took, in microseconds, without making the report.
  double PlanNextRound();

  // The same without waiting: calls `done` from another thread once the answer is there.
  void StartNextRound(std::function<void()> done);

  // The latest answer.
  const v1::Plan& plan() const { return plan_; }

 private:
  void CreateJob(const std::string& name, int world_size);
  void MakeRequest();

  const std::string name_;
  const Workload& workload_;
  const int rank_;
  const std::unique_ptr<v1::PlannerService::Stub> stub_;
  int64_t next_round_ = 0;
  std::unique_ptr<grpc::ClientContext> context_;
  v1::PlanRoundRequest request_;
  v1::Plan plan_;
};

// Clients that each ask for one round after the other, all at once.
class ClosedLoop {
 public:
  explicit ClosedLoop(std::vector<std::unique_ptr<RoundClient>> clients) : clients_(std::move(clients)) {}

  // Keeps every client busy for this long. Returns how many calls were answered; none is under way any more.
  int64_t Run(absl::Duration time);

 private:
  void Continue(RoundClient* client);

  const std::vector<std::unique_ptr<RoundClient>> clients_;
  std::atomic<bool> is_ending_ = false;
  std::atomic<int64_t> num_answers_ = 0;
  std::atomic<int64_t> num_busy_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SERVICE_ROUND_CLIENT_H_
