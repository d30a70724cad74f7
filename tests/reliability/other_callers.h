#ifndef GREENPLAN_TESTS_RELIABILITY_OTHER_CALLERS_H_
#define GREENPLAN_TESTS_RELIABILITY_OTHER_CALLERS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "planner/client/connection.h"

namespace greenplan {

// Well-behaved clients of a daemon that is under some load besides, and how long their calls take with it and without
// it. Each has a job of one rank and plans one round after the other, with a pause between them as a training loop has.
//
//   OtherCallers others(daemon.address());
//   const auto p99 = others.Compare({.cycles = 5, .phase = absl::Seconds(3)}, [&] { start it }, [&] { end it });
//   p99.ExpectRatioBelow(2);
//
// A call that fails fails the test. Not thread-safe.
class OtherCallers {
 public:
  // Creates the callers' jobs.
  explicit OtherCallers(const std::string& addresses, const ServerSecurity& security = {}, int num_callers = 4);

  struct Schedule {
    int cycles;            // How often the load comes and goes, >= 1.
    absl::Duration phase;  // How long to measure, each time without and each time with the load.
  };
  // What the load does to the 99th percentile of the calls' latency.
  struct Comparison {
    double without_seconds = 0;  // The percentile over all calls, without the load and with it.
    double with_seconds = 0;
    double ratio = 0;  // The median over the cycles of the ratio of both percentiles in one cycle.

    std::string ToString() const;
    // Fails the test unless the ratio is below `limit`. In the short form, whose phases are short and whose machine may
    // be busy with other tests, only a change by an order of magnitude fails it.
    void ExpectRatioBelow(double limit) const;
  };
  // Measures without the load, then with it, again and again, so that a machine that is busy for a while slows down
  // both.
  Comparison Compare(const Schedule& schedule, const std::function<void()>& start_load,
                     const std::function<void()>& end_load);

  // Lets the callers plan for `duration`. Returns how many seconds each call took.
  std::vector<double> CallFor(absl::Duration duration);

 private:
  struct Caller {
    std::unique_ptr<Connection> connection;
    std::string job;
    int64_t next_round = 0;
  };
  static std::vector<double> Plan(Caller& caller, absl::Time end);

  std::vector<Caller> callers_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_OTHER_CALLERS_H_
