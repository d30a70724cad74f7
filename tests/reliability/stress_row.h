#ifndef GREENPLAN_TESTS_RELIABILITY_STRESS_ROW_H_
#define GREENPLAN_TESTS_RELIABILITY_STRESS_ROW_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace greenplan {

// Each test of this folder is a row of docs/reliability.md. It has two forms that differ in counts and durations alone:
// the short one, which `./dev test` runs, and the long one, which `./dev stress` runs with GREENPLAN_REPETITIONS set to
// "long", or to a number that takes the place of the row's own count.
//
//   TEST(DaemonKillTest, LosesNothing) {
//     StressRow row("nothing is lost, ready again in < 2 s");
//     const int64_t num_kills = Repetitions(20, 200);
//     ...
//     row.Report(absl::StrCat(num_kills, " kills"), "0 of 41520 answers lost, the slowest start took 0.31 s");
//   }
//
// All of this is for the thread that runs the tests.

// Whether this is the long form.
bool IsLongForm();

// A duration as the lines say it, to about two digits: "8.1ms", "90ms", "1.2s".
std::string Rounded(absl::Duration duration);

template <typename T>
T ShortOrLong(T short_form, T long_form) {
  return IsLongForm() ? long_form : short_form;
}

// How often the form repeats what it does: one of both numbers, or the number in GREENPLAN_REPETITIONS. If that is
// neither "long" nor a number > 0, the test fails.
int64_t Repetitions(int64_t short_form, int64_t long_form);

// The line that `./dev stress` prints for a test: what was done, what was found, what is asked for, and whether the
// test has passed. It is printed by the destructor, so that a test which ends early has one too.
class StressRow {
 public:
  // `criterion` says in words when the test passes.
  explicit StressRow(std::string criterion);
  ~StressRow();
  StressRow(const StressRow&) = delete;
  StressRow& operator=(const StressRow&) = delete;

  // What was done, with its counts, and what was found. The last report counts.
  void Report(std::string done, std::string found);

 private:
  const std::string criterion_;
  std::string done_ = "ended early";
  std::string found_ = "nothing measured";
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_STRESS_ROW_H_
