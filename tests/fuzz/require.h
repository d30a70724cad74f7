#ifndef GREENPLAN_TESTS_FUZZ_REQUIRE_H_
#define GREENPLAN_TESTS_FUZZ_REQUIRE_H_

#include <cstdio>
#include <cstdlib>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Ends the program, which a fuzzer reports with the input, unless the promise holds.
inline void Require(bool holds, absl::string_view promise, const absl::Status& status = absl::OkStatus()) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %.*s\n%s\n", static_cast<int>(promise.size()), promise.data(),
               status.ToString().c_str());
  std::abort();
}

// Requires that a reader which refuses its input blames the input.
inline void RequireInvalidArgument(const absl::Status& status) {
  Require(status.code() == absl::StatusCode::kInvalidArgument, "what is refused is the caller's", status);
}

// Requires the same of what reads whole requests, which may also be too large or ask for what is not built.
inline void RequireRefusal(const absl::Status& status) {
  Require(status.code() == absl::StatusCode::kInvalidArgument || status.code() == absl::StatusCode::kUnimplemented ||
              status.code() == absl::StatusCode::kResourceExhausted,
          "what is refused is the caller's", status);
}

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_FUZZ_REQUIRE_H_
