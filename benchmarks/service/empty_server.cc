// A server of PlanRound that plans nothing and keeps nothing: what gRPC itself takes for the messages of a round. It is
// set up as the daemon is (planner/daemon/server.cc): callback interface, resource quota, sizes of messages, threads.
//
//   empty_server PORT_FILE

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "greenplan/v1/planner_service.grpc.pb.h"
#include "grpcpp/resource_quota.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "planner/files/files.h"
#include "planner/rpc/limits.h"

namespace greenplan {
namespace {

// Fills a plan as long as the one that the daemon would answer.
void FillPlan(const v1::PlanRoundRequest& request, v1::Plan* plan) {
  const v1::ImportanceReport& report = request.report();
  constexpr int64_t kCost = int64_t{1} << 50;
  constexpr double kValue = 0.1;
  plan->set_name(absl::StrCat(request.job(), "/plans/", report.round()));
  plan->set_round(report.round());
  plan->set_method(v1::METHOD_SELECTION);
  plan->set_algorithm(v1::ALGORITHM_EXACT);
  plan->set_status(v1::PLAN_STATUS_OPTIMAL);
  plan->mutable_trainable()->assign((report.importance_size() + 7) / 8, '\x55');
  plan->set_predicted_cost(kCost);
  plan->set_predicted_backward_cost(kCost);
  plan->set_budget(kCost);
  plan->set_full_cost(kCost);
  plan->set_value(kValue);
  plan->set_upper_bound(kValue);
  plan->set_saved_bytes(kCost);
  plan->set_profile_revision(1);
  plan->set_profile_digest(report.profile_digest());
  plan->set_digest(report.profile_digest());
}

class EmptyService final : public v1::PlannerService::CallbackService {
 public:
  grpc::ServerUnaryReactor* PlanRound(grpc::CallbackServerContext* context, const v1::PlanRoundRequest* request,
                                      v1::Plan* plan) override {
    FillPlan(*request, plan);
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
};

int Serve(const std::string& port_file) {
  EmptyService service;
  grpc::ResourceQuota quota("planner");
  quota.SetMaxThreads(16).Resize(size_t{1} << 30);
  grpc::ServerBuilder builder;
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::SyncServerOption::NUM_CQS, 1);
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&service);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr || !WriteFile(port_file, absl::StrCat(port, "\n")).ok()) return 1;
  server->Wait();
  return 0;
}

}  // namespace
}  // namespace greenplan

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: empty_server PORT_FILE\n");
    return 2;
  }
  return greenplan::Serve(argv[1]);
}
