#include "planner/metrics/histogram_table.h"

#include <utility>

namespace greenplan {

HistogramTable::HistogramTable(prometheus::Registry* registry, const std::string& name, const std::string& help,
                               prometheus::Histogram::BucketBoundaries buckets)
    : family_(prometheus::BuildHistogram().Name(name).Help(help).Register(*registry)), buckets_(std::move(buckets)) {}

prometheus::Histogram& HistogramTable::Of(absl::string_view method, absl::string_view code) {
  absl::MutexLock lock(&mutex_);
  prometheus::Histogram*& histogram = table_[method][code];
  if (histogram == nullptr) {
    histogram = &family_.Add({{"method", std::string(method)}, {"code", std::string(code)}}, buckets_);
  }
  return *histogram;
}

}  // namespace greenplan
