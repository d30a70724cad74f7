#ifndef GREENPLAN_BENCHMARKS_SOLVER_MEASURE_H_
#define GREENPLAN_BENCHMARKS_SOLVER_MEASURE_H_

#include <chrono>
#include <functional>

namespace greenplan {

// Wall time of one call.
template <typename Function>
double Microseconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

// True once `milliseconds` have passed since the call.
inline std::function<bool()> StopAfter(double milliseconds) {
  const auto start = std::chrono::steady_clock::now();
  return [start, milliseconds] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() > milliseconds;
  };
}

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SOLVER_MEASURE_H_
