#include "tests/reliability/stress_row.h"

#include <stdlib.h>

#include <iostream>
#include <string_view>
#include <utility>

#include "absl/strings/numbers.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

// Null in the short form.
const char* RequestedRepetitions() { return getenv("GREENPLAN_REPETITIONS"); }

}  // namespace

bool IsLongForm() { return RequestedRepetitions() != nullptr; }

int64_t Repetitions(int64_t short_form, int64_t long_form) {
  const char* requested = RequestedRepetitions();
  if (requested == nullptr) return short_form;
  if (std::string_view(requested) == "long") return long_form;
  int64_t count = 0;
  if (absl::SimpleAtoi(requested, &count) && count > 0) return count;
  ADD_FAILURE() << "GREENPLAN_REPETITIONS is " << requested << "; allowed: long, or an integer > 0";
  return short_form;
}

std::string Rounded(absl::Duration duration) {
  absl::Duration unit = absl::Microseconds(100);
  while (duration >= 100 * unit) unit *= 10;
  return absl::FormatDuration(absl::Floor(duration + unit / 2, unit));
}

StressRow::StressRow(std::string criterion) : criterion_(std::move(criterion)) {}

StressRow::~StressRow() {
  const bool has_failed = ::testing::Test::HasFailure();
  std::cout << "stress: " << (has_failed ? "FAILED" : "passed") << ": " << done_ << ": " << found_
            << " (asked for: " << criterion_ << ")" << std::endl;
}

void StressRow::Report(std::string done, std::string found) {
  done_ = std::move(done);
  found_ = std::move(found);
}

}  // namespace greenplan
