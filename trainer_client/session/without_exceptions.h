#ifndef GREENPLAN_TRAINER_CLIENT_SESSION_WITHOUT_EXCEPTIONS_H_
#define GREENPLAN_TRAINER_CLIENT_SESSION_WITHOUT_EXCEPTIONS_H_

#include <exception>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "c10/util/Exception.h"

namespace greenplan::trainer {

// Returns run(), a Status or StatusOr. What LibTorch or a user's function throws becomes Internal: "WHAT failed: ...".
template <typename Function>
auto WithoutExceptions(absl::string_view what, const Function& run) -> decltype(run()) {
  try {
    return run();
  } catch (const c10::Error& error) {
    return absl::InternalError(absl::StrCat(what, " failed: ", error.what_without_backtrace()));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(what, " failed: ", error.what()));
  }
}

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_SESSION_WITHOUT_EXCEPTIONS_H_
