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

// Histograms of one family with the labels method and code, for what happens so often that the library's own way to a
// histogram, which builds a new one to look an old one up, would count. Thread-safety: safe.
class HistogramTable {
 public:
  // `registry` must outlive the object.
  HistogramTable(prometheus::Registry* registry, const std::string& name, const std::string& help,
                 prometheus::Histogram::BucketBoundaries buckets);

  // Made when it is asked for first; valid as long as the registry.
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
