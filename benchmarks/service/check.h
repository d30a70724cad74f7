#ifndef GREENPLAN_BENCHMARKS_SERVICE_CHECK_H_
#define GREENPLAN_BENCHMARKS_SERVICE_CHECK_H_

#include <cstdio>
#include <cstdlib>
#include <string>

namespace greenplan {

// Ends the benchmark with `message` unless `ok`.
inline void Check(bool ok, const std::string& message) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", message.c_str());
  std::exit(1);
}

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SERVICE_CHECK_H_
