#ifndef GREENPLAN_PLANNER_METRICS_SERIES_TABLE_H_
#define GREENPLAN_PLANNER_METRICS_SERIES_TABLE_H_

#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "prometheus/labels.h"

namespace greenplan {

// The series of one family by the values of their labels, for events so frequent that the library's own look-up would
// matter: it makes a new metric, with its buckets, in order to find an old one. `Metric` is Counter or Histogram of
// Prometheus. Thread-safety: safe.
//
//   SeriesTable<prometheus::Histogram> durations(
//       {"method", "code"}, [&](const prometheus::Labels& labels) { return &family.Add(labels, buckets); });
//   durations.Of({"GetJob", "OK"}).Observe(0.001);
template <typename Metric>
class SeriesTable {
 public:
  // `add` adds a series with these labels to the family.
  SeriesTable(std::vector<std::string> label_names, std::function<Metric*(const prometheus::Labels&)> add)
      : label_names_(std::move(label_names)), add_(std::move(add)) {}

  // Returns the series of these values, in the order of the labels' names. It is made when it is first asked for, and
  // valid as long as the family. O(values). REQUIRES: no value contains a line break.
  Metric& Of(std::initializer_list<absl::string_view> values) {
    absl::MutexLock lock(&mutex_);
    Metric*& series = table_[absl::StrJoin(values, "\n")];
    if (series == nullptr) series = add_(Labels(values));
    return *series;
  }

 private:
  prometheus::Labels Labels(std::initializer_list<absl::string_view> values) const {
    prometheus::Labels labels;
    auto name = label_names_.begin();
    for (absl::string_view value : values) labels.emplace(*name++, std::string(value));
    return labels;
  }

  const std::vector<std::string> label_names_;
  const std::function<Metric*(const prometheus::Labels&)> add_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Metric*> table_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_METRICS_SERIES_TABLE_H_
