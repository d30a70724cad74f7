#include "benchmarks/service/round_client.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"
#include "benchmarks/service/check.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"

namespace greenplan {
namespace {

std::unique_ptr<v1::PlannerService::Stub> Connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // Channels to one address would share a connection.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetMaxReceiveMessageSize(-1);  // A job of 100,000 tensors is answered with its profile.
  return v1::PlannerService::NewStub(grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

void CheckOk(const grpc::Status& status) { Check(status.ok(), "a call has failed: " + status.error_message()); }

}  // namespace

RoundClient::RoundClient(const ServerProcess& server, const Workload* workload, std::string job, int rank)
    : name_(std::move(job)), workload_(*workload), rank_(rank), stub_(Connect(server.address())) {}

void RoundClient::CreateJob(const std::string& name, int world_size) {
  grpc::ClientContext context;
  v1::CreateJobRequest request;
  *request.mutable_job() = workload_.Job(name, world_size);
  v1::Job job;
  CheckOk(stub_->CreateJob(&context, request, &job));
}

double RoundClient::PlanNextRound() {
  MakeRequest();
  const auto start = std::chrono::steady_clock::now();
  const grpc::Status status = stub_->PlanRound(context_.get(), request_, &plan_);
  const std::chrono::duration<double, std::micro> time = std::chrono::steady_clock::now() - start;
  CheckOk(status);
  return time.count();
}

void RoundClient::StartNextRound(std::function<void()> done) {
  MakeRequest();
  stub_->async()->PlanRound(context_.get(), &request_, &plan_, [done = std::move(done)](grpc::Status status) {
    CheckOk(status);
    done();
  });
}

void RoundClient::MakeRequest() {
  request_.set_job(name_);
  *request_.mutable_report() = workload_.Report(next_round_++, rank_);
  context_ = std::make_unique<grpc::ClientContext>();
}

int64_t ClosedLoop::Run(absl::Duration time) {
  is_ending_ = false;
  num_answers_ = 0;
  num_busy_ = static_cast<int64_t>(clients_.size());
  for (const auto& client : clients_) Continue(client.get());
  absl::SleepFor(time);
  is_ending_ = true;
  while (num_busy_ > 0) absl::SleepFor(absl::Milliseconds(1));
  return num_answers_;
}

void ClosedLoop::Continue(RoundClient* client) {
  client->StartNextRound([this, client] {
    ++num_answers_;
    if (is_ending_) {
      --num_busy_;
    } else {
      Continue(client);
    }
  });
}

}  // namespace greenplan
