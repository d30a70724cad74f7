#ifndef GREENPLAN_PLANNER_SECURITY_ACCESS_H_
#define GREENPLAN_PLANNER_SECURITY_ACCESS_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "planner/security/caller.h"
#include "planner/security/token_table.h"

namespace greenplan {

// Who may call which RPC, by the tokens file. Without one, every caller is an admin of the one tenant "".
//
//   auto access = Access::Create("/etc/greenplan/tokens.toml");
//   absl::StatusOr<Caller> caller = (*access)->Identify("Bearer 2f0c...");
//   absl::Status status = Access::Authorize(*caller, "CreateJob");
//
// Thread-safety: safe; Reload may run while calls are checked.
class Access {
 public:
  // `tokens_file` may be empty: none. InvalidArgument, naming --tokens, the file and the line.
  static absl::StatusOr<std::unique_ptr<Access>> Create(const std::string& tokens_file);

  // Reads the file again. The errors of Create; the tokens that were read before then stay valid.
  absl::Status Reload();

  // Who calls with this value of the metadata "authorization". Unauthenticated: there is none, it is no "Bearer TOKEN",
  // or the token is unknown. The message holds nothing of the token.
  absl::StatusOr<Caller> Identify(std::optional<absl::string_view> authorization) const;

  // PermissionDenied unless the caller's role may call `method`.
  static absl::Status Authorize(const Caller& caller, absl::string_view method);

 private:
  explicit Access(std::string tokens_file) : tokens_file_(std::move(tokens_file)) {}

  const std::string tokens_file_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const TokenTable> tokens_ ABSL_GUARDED_BY(mutex_);  // Null without a tokens file.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_ACCESS_H_
