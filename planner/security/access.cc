#include "planner/security/access.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "planner/core/invalid_argument.h"
#include "planner/files/files.h"

namespace greenplan {
namespace {

constexpr absl::string_view kFlag = "--tokens";
constexpr absl::string_view kScheme = "Bearer ";

absl::Status Unauthenticated(absl::string_view what) {
  return absl::UnauthenticatedError(
      absl::StrCat(what, "; send the metadata authorization: Bearer TOKEN (--token-file)"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Access>> Access::Create(const std::string& tokens_file) {
  auto access = absl::WrapUnique(new Access(tokens_file));
  if (absl::Status status = access->Reload(); !status.ok()) return status;
  return access;
}

absl::Status Access::Reload() {
  if (tokens_file_.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> text = ReadFile(tokens_file_);
  if (!text.ok()) return InvalidArgument(kFlag, ": ", text.status().message());
  absl::StatusOr<TokenTable> table = TokenTable::Parse(*text);
  if (!table.ok()) return InvalidArgument(kFlag, " is ", tokens_file_, ": ", table.status().message());
  auto tokens = std::make_shared<const TokenTable>(*std::move(table));
  absl::MutexLock lock(&mutex_);
  tokens_ = std::move(tokens);
  return absl::OkStatus();
}

absl::StatusOr<Caller> Access::Identify(std::optional<absl::string_view> authorization) const {
  std::shared_ptr<const TokenTable> tokens;
  {
    absl::MutexLock lock(&mutex_);
    tokens = tokens_;
  }
  if (tokens == nullptr) return Caller();
  if (!authorization.has_value()) return Unauthenticated("the call carries no token, or several");
  // The scheme's name has no case (RFC 7235).
  if (!absl::StartsWithIgnoreCase(*authorization, kScheme))
    return Unauthenticated("the authorization is no bearer token");
  const std::optional<Caller> caller = tokens->Find(authorization->substr(kScheme.size()));
  if (!caller.has_value()) return Unauthenticated("the token is unknown");
  return *caller;
}

absl::Status Access::Authorize(const Caller& caller, absl::string_view method) {
  const Role needed = RoleNeeded(method);
  if (caller.role >= needed) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(method, " needs the role ", RoleName(needed), "; this token's is ", RoleName(caller.role)));
}

}  // namespace greenplan
