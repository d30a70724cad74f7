#ifndef GREENPLAN_PLANNER_METRICS_HISTOGRAM_TABLE_H_
#define GREENPLAN_PLANNER_METRICS_HISTOGRAM_TABLE_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/histogram.h"
#include "prometheus/registry.h"

namespace greenplan {

// Histograms of one family with the labels method and code, for events so frequent that the library's own look-up would
// matter: it builds a new histogram in order to find an old one. Thread-safety: safe.
//
//   HistogramTable durations(&registry, "greenplan_rpc_duration_seconds", "Time of a call.", buckets);
//   durations.Of("GetJob", "OK").Observe(0.001);
class HistogramTable {
 public:
  // Registers the family. `name`, `help` and `buckets` are those of Prometheus. `registry` must outlive the object.
  HistogramTable(prometheus::Registry* registry, const std::string& name, const std::string& help,
                 prometheus::Histogram::BucketBoundaries buckets);

  // Returns the histogram of the two labels, which is made when it is first asked for. Valid as long as the registry.
  // O(1).
  prometheus::Histogram& Of(absl::string_view method, absl::string_view code);

 private:
  prometheus::Family<prometheus::Histogram>& family_;
  const prometheus::Histogram::BucketBoundaries buckets_;
  absl::Mutex mutex_;
  // By method, then code.
  absl::flat_hash_map<std::string, absl::flat_hash_map<std::string, prometheus::Histogram*>> table_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_METRICS_HISTOGRAM_TABLE_H_
