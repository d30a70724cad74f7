#include "planner/daemon/daemon_metrics.h"

namespace greenplan {

EngineObserver RecordEngine(Metrics* metrics) {
  return {.on_search = [metrics](const std::string&, absl::Duration time) { metrics->RecordSearch(time); },
          .on_plan = [metrics](const v1::Plan& plan, int64_t missing) { metrics->RecordPlan(plan, missing); },
          .on_wait = [metrics](absl::Duration time) { metrics->RecordBarrierWait(time); },
          .on_outcome = [metrics](const std::string& tenant, const v1::Job& job, const v1::Plan& plan,
                                  const v1::Outcome& outcome) { metrics->RecordOutcome(tenant, job, plan, outcome); }};
}

StoreMeter RecordStore(Metrics* metrics) {
  return [metrics](absl::string_view method, absl::StatusCode code, absl::Duration duration) {
    metrics->RecordStoreCall(method, code, duration);
  };
}

void AddQueueGauges(const std::string& name, const WorkQueue* queue, Metrics* metrics) {
  const Metrics::Labels labels = {{"queue", name}};
  metrics->AddGauge("greenplan_queue_waiting", "Calls that wait for a thread.", labels,
                    [queue] { return static_cast<double>(queue->load().num_queued); });
  metrics->AddGauge("greenplan_queue_waiting_bytes", "What the requests of these calls take.", labels,
                    [queue] { return static_cast<double>(queue->load().num_queued_bytes); });
  metrics->AddGauge("greenplan_queue_running", "Calls that a thread works on.", labels,
                    [queue] { return static_cast<double>(queue->load().num_running); });
  metrics->AddGauge("greenplan_queue_tenants", "Tenants that have calls waiting or running.", labels,
                    [queue] { return static_cast<double>(queue->load().num_tenants); });
}

}  // namespace greenplan
