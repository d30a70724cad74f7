#include "planner/metrics/metrics.h"

#include "absl/time/clock.h"
#include "prometheus/gauge.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"
#include "prometheus/text_serializer.h"

namespace greenplan {
namespace {

// From a plan that is kept already to a barrier that waits for its slowest rank.
const prometheus::Histogram::BucketBoundaries kRpcSeconds = {
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120};

}  // namespace

class Metrics::Families {
 public:
  explicit Families(const std::string& version) {
    prometheus::BuildGauge()
        .Name("greenplan_build_info")
        .Help("1, with the version of the daemon as a label.")
        .Register(registry)
        .Add({{"version", version}})
        .Set(1);
    prometheus::BuildGauge()
        .Name("greenplan_start_time_seconds")
        .Help("When the daemon started, in seconds of Unix time.")
        .Register(registry)
        .Add({})
        .Set(absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()));
  }

  prometheus::Registry registry;
  prometheus::Family<prometheus::Histogram>& rpc_duration =
      prometheus::BuildHistogram()
          .Name("greenplan_rpc_duration_seconds")
          .Help("Time from the start of a call to its answer, by method and status code.")
          .Register(registry);
};

Metrics::Metrics(const std::string& version) : families_(std::make_unique<Families>(version)) {}

Metrics::~Metrics() = default;

void Metrics::RecordRpc(absl::string_view method, absl::string_view code, absl::Duration duration) {
  families_->rpc_duration.Add({{"method", std::string(method)}, {"code", std::string(code)}}, kRpcSeconds)
      .Observe(absl::ToDoubleSeconds(duration));
}

std::string Metrics::Text() const { return prometheus::TextSerializer().Serialize(families_->registry.Collect()); }

}  // namespace greenplan
