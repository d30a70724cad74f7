#include "planner/files/testing/faults.h"

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {

bool ScopedFaults::Fails(bool goes_on) {
  const int64_t index = next_++;
  if (index != plan_.fail_at && !(goes_on && plan_.goes_on && index > plan_.fail_at)) return false;
  errno = plan_.error;
  return true;
}

bool ScopedFaults::Interrupts() {
  if (!plan_.interrupts) return false;
  const bool interrupts = !was_interrupted_;
  was_interrupted_ = interrupts;
  errno = EINTR;
  return interrupts;
}

int ScopedFaults::Open(const char* path, int flags, mode_t mode) {
  return Interrupts() || Fails(/*goes_on=*/false) ? -1 : SystemCalls::Open(path, flags, mode);
}

ssize_t ScopedFaults::Write(int descriptor, const void* bytes, size_t size) {
  if (Interrupts() || Fails(/*goes_on=*/true)) return -1;
  return SystemCalls::Write(descriptor, bytes, std::min(size, plan_.most_at_once));
}

int ScopedFaults::Fsync(int descriptor) { return Interrupts() || Fails(/*goes_on=*/true) ? -1 : 0; }

// As on Linux, the descriptor is closed whatever the answer.
int ScopedFaults::Close(int descriptor) {
  const bool fails = Fails(/*goes_on=*/false);
  const int error = errno;
  const int result = SystemCalls::Close(descriptor);
  if (plan_.interrupts) errno = EINTR;
  if (fails) errno = error;
  return fails || plan_.interrupts ? -1 : result;
}

int ScopedFaults::Rename(const char* from, const char* to) {
  return Fails(/*goes_on=*/true) ? -1 : SystemCalls::Rename(from, to);
}

int SweepFaults(const FaultSweep& sweep) {
  int num_errors = 0;
  for (const int error : {ENOSPC, EIO}) {
    for (const bool goes_on : {false, true}) {
      bool is_met = true;
      for (int64_t fail_at = 0; is_met; ++fail_at) {
        SCOPED_TRACE(testing::Message() << std::generic_category().message(error) << " at call " << fail_at
                                        << (goes_on ? " and later ones" : ""));
        absl::Status status;
        {
          const ScopedFaults faults({.fail_at = fail_at, .error = error, .goes_on = goes_on});
          status = sweep.operation();
          is_met = faults.has_failed();
        }
        if (!status.ok()) {
          ++num_errors;
          const auto expected = error == ENOSPC ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kUnavailable;
          EXPECT_THAT(status.code(), testing::AnyOf(expected, absl::StatusCode::kDataLoss)) << status;
          EXPECT_THAT(std::string(status.message()), testing::HasSubstr(sweep.named));
          EXPECT_THAT(std::string(status.message()), testing::HasSubstr(std::generic_category().message(error)));
          EXPECT_EQ(status.message().find('\n'), absl::string_view::npos);
        }
        EXPECT_TRUE(is_met || status.ok()) << status;
        sweep.check(status);
      }
    }
  }
  return num_errors;
}

}  // namespace greenplan
