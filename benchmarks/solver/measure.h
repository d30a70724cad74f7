#ifndef GREENPLAN_BENCHMARKS_SOLVER_MEASURE_H_
#define GREENPLAN_BENCHMARKS_SOLVER_MEASURE_H_

#include <chrono>
#include <functional>

namespace greenplan {

// Returns the wall time of one call of `function`, in microseconds.
template <typename Function>
double Microseconds(const Function& function) {
  const auto start = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

// Returns a stop function that is true once `milliseconds` have passed since StopAfter() was called.
inline std::function<bool()> StopAfter(double milliseconds) {
  const auto start = std::chrono::steady_clock::now();
  return [start, milliseconds] {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() > milliseconds;
  };
}

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SOLVER_MEASURE_H_
