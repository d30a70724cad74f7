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
  // Reads the tokens file; an empty name stands for none. InvalidArgument, naming --tokens, the file and the line, if
  // it cannot be read or is no tokens file.
  static absl::StatusOr<std::unique_ptr<Access>> Create(const std::string& tokens_file);

  // Reads the file again. On an error, which is one of Create's, the tokens that were read before stay valid.
  absl::Status Reload();

  // Returns who calls with this value of the metadata "authorization". Unauthenticated if there is none, if it is no
  // "Bearer TOKEN", or if the token is unknown. The message holds nothing of the token.
  absl::StatusOr<Caller> Identify(std::optional<absl::string_view> authorization) const;

  // Returns PermissionDenied unless the caller's role may call `method`, such as "CreateJob".
  static absl::Status Authorize(const Caller& caller, absl::string_view method);

 private:
  explicit Access(std::string tokens_file) : tokens_file_(std::move(tokens_file)) {}

  const std::string tokens_file_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const TokenTable> tokens_ ABSL_GUARDED_BY(mutex_);  // Null without a tokens file.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_ACCESS_H_
