#include "planner/security/audit.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace greenplan {
namespace {

constexpr size_t kMaxResourceBytes = 200;

std::string Escape(absl::string_view resource) {
  return absl::StrReplaceAll(absl::CHexEscape(resource.substr(0, kMaxResourceBytes)), {{" ", "\\x20"}});
}

}  // namespace

bool IsAudited(absl::string_view method, absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return ChangesState(method);
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kResourceExhausted:
      return true;
    default:
      return false;
  }
}

std::string AuditLine(const AuditEntry& entry) {
  const bool is_known = entry.caller != nullptr;
  return absl::StrCat("tenant=", is_known ? entry.caller->tenant : "",
                      " role=", is_known ? RoleName(entry.caller->role) : "", " peer=", entry.peer,
                      " method=", entry.method, " resource=", Escape(entry.resource),
                      " code=", entry.code == absl::StatusCode::kOk ? "OK" : absl::StatusCodeToString(entry.code));
}

}  // namespace greenplan
