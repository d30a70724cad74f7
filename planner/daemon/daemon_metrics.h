#ifndef GREENPLAN_PLANNER_DAEMON_DAEMON_METRICS_H_
#define GREENPLAN_PLANNER_DAEMON_DAEMON_METRICS_H_

#include <string>

#include "planner/admission/work_queue.h"
#include "planner/metrics/metrics.h"
#include "planner/service/engine_observer.h"
#include "planner/store/metered_store.h"

namespace greenplan {

// What connects the daemon's parts, which know nothing of metrics, with Metrics, which knows nothing of them. Whatever
// is passed by pointer must outlive what it is connected with.

// Returns an observer that records the engine's searches, plans, waits and outcomes.
EngineObserver RecordEngine(Metrics* metrics);

// Returns a meter that records the calls of a store.
StoreMeter RecordStore(Metrics* metrics);

// Adds gauges of a queue, with the label queue = `name`: greenplan_queue_waiting, greenplan_queue_waiting_bytes,
// greenplan_queue_running and greenplan_queue_tenants. `queue` must live as long as anybody asks for the metrics' text.
void AddQueueGauges(const std::string& name, const WorkQueue* queue, Metrics* metrics);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_DAEMON_METRICS_H_
