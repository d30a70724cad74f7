#ifndef GREENPLAN_TESTS_DEPLOY_PROMQL_H_
#define GREENPLAN_TESTS_DEPLOY_PROMQL_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace greenplan {

// As much of Prometheus' languages as tells whether a query is about something that a daemon measures. Pure functions.

// The names of series in the text that a daemon serves on /metrics, with the labels that any of them has:
// {"greenplan_rpc_duration_seconds_bucket": {"method", "code", "le"}}.
using Series = std::map<std::string, std::set<std::string>>;
Series ParseMetrics(absl::string_view text);

// What is wrong with a PromQL expression: it names no metric of this project, one that is not in `series`, or a label
// that the metric does not have. Labels that Prometheus adds when it scrapes (instance, job, pod, namespace) always
// exist. Empty: nothing.
std::vector<std::string> ProblemsOf(absl::string_view expression, const Series& series);

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_DEPLOY_PROMQL_H_
