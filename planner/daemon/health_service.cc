#include "planner/daemon/health_service.h"

#include <utility>

#include "planner/rpc/grpc_status.h"
#include "planner/rpc/refused_stream.h"

namespace greenplan {
namespace {

using grpc::health::v1::HealthCheckResponse;

std::set<std::string> WithServer(const std::vector<std::string>& services) {
  std::set<std::string> result(services.begin(), services.end());
  result.insert("");
  return result;
}

grpc::Status Draining() { return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is draining"); }

}  // namespace

// One open watch. What to do next is decided under the mutex and done without it: gRPC may run the reaction to an
// operation before the operation returns.
class HealthService::Watcher final : public grpc::ServerWriteReactor<HealthCheckResponse>,
                                     public std::enable_shared_from_this<Watcher> {
 public:
  Watcher(HealthService* health, bool is_known) : health_(*health), is_known_(is_known) {}

  // Called once, first.
  void Start(bool is_draining) {
    if (is_draining) {
      {
        absl::MutexLock lock(&mutex_);
        is_finished_ = true;
      }
      return Farewell();
    }
    response_.set_status(is_known_ ? HealthCheckResponse::SERVING : HealthCheckResponse::SERVICE_UNKNOWN);
    StartWrite(&response_);
  }

  void Drain() {
    {
      absl::MutexLock lock(&mutex_);
      is_draining_ = true;
      if (is_writing_ || std::exchange(is_finished_, true)) return;
    }
    Farewell();
  }

  void OnWriteDone(bool ok) override {
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
      if (!ok || !is_draining_ || std::exchange(is_finished_, true)) return;
    }
    Farewell();
  }

  void OnCancel() override {
    {
      absl::MutexLock lock(&mutex_);
      if (std::exchange(is_finished_, true)) return;
    }
    Finish(grpc::Status::CANCELLED);
  }

  // Drops the last reference to this.
  void OnDone() override { health_.Remove(shared_from_this()); }

 private:
  void Farewell() {
    if (!is_known_) return Finish(Draining());
    response_.set_status(HealthCheckResponse::NOT_SERVING);
    StartWriteAndFinish(&response_, grpc::WriteOptions(), Draining());
  }

  HealthService& health_;
  const bool is_known_;
  HealthCheckResponse response_;  // Of the write in progress.
  absl::Mutex mutex_;
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = true;  // From the start: Start writes.
  bool is_draining_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mutex_) = false;
};

// The handlers take the place of those that read whatever comes. The numbers are the RPCs' places in health.proto.
HealthService::HealthService(const std::vector<std::string>& services) : services_(WithServer(services)) {
  MarkMethodCallback(0, new grpc::internal::CallbackUnaryHandler<Request, Response>(
                            [this](grpc::CallbackServerContext* context, const Request* request, Response* response) {
                              return AnswerCheck(*context, *request, *response);
                            }));
  MarkMethodCallback(1,
                     new grpc::internal::CallbackServerStreamingHandler<Request, Response>(
                         [this](grpc::CallbackServerContext*, const Request* request) { return OpenWatch(*request); }));
}

void HealthService::Drain() {
  std::set<std::shared_ptr<Watcher>> watchers;
  {
    absl::MutexLock lock(&mutex_);
    is_draining_ = true;
    watchers = watchers_;
  }
  for (const std::shared_ptr<Watcher>& watcher : watchers) watcher->Drain();
}

grpc::ServerUnaryReactor* HealthService::AnswerCheck(grpc::CallbackServerContext& context, const Request& request,
                                                     Response& response) {
  grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
  if (!request.status.ok()) {
    reactor->Finish(ToGrpcStatus(request.status));
    return reactor;
  }
  if (!IsKnown(request.message.service())) {
    reactor->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no such service"));
    return reactor;
  }
  {
    absl::MutexLock lock(&mutex_);
    response.set_status(is_draining_ ? HealthCheckResponse::NOT_SERVING : HealthCheckResponse::SERVING);
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::OpenWatch(const Request& request) {
  if (!request.status.ok()) return new RefusedStream<Response>(request.status);
  const auto watcher = std::make_shared<Watcher>(this, IsKnown(request.message.service()));
  bool is_draining = false;
  {
    absl::MutexLock lock(&mutex_);
    is_draining = is_draining_;
    watchers_.insert(watcher);
  }
  watcher->Start(is_draining);
  return watcher.get();
}

void HealthService::Remove(const std::shared_ptr<Watcher>& watcher) {
  absl::MutexLock lock(&mutex_);
  watchers_.erase(watcher);
}

}  // namespace greenplan
