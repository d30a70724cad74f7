#ifndef GREENPLAN_PLANNER_SECURITY_AUDIT_H_
#define GREENPLAN_PLANNER_SECURITY_AUDIT_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "planner/security/caller.h"

namespace greenplan {

// One call, for the audit log: who asked for what, and what came of it.
struct AuditEntry {
  // Who called. Null if nobody knows.
  const Caller* caller = nullptr;

  // The caller's address, as gRPC writes it.
  std::string peer;

  // The RPC, such as "CreateJob".
  absl::string_view method;

  // What the call is about, such as "jobs/a". Empty if it names nothing.
  absl::string_view resource;

  // How the call ended.
  absl::StatusCode code;
};

// Receives the entries, on the threads of the calls and from several at once.
using AuditLog = std::function<void(const AuditEntry&)>;

// Returns whether a call belongs in the audit log: it changed what the daemon keeps, or it was refused because of who
// called or how much they called (UNAUTHENTICATED, PERMISSION_DENIED, RESOURCE_EXHAUSTED).
bool IsAudited(absl::string_view method, absl::StatusCode code);

// Returns the entry as one line: `tenant=a role=trainer peer=ipv4:10.0.0.1:5000 method=CreateJob resource=jobs/a
// code=OK`. Bytes of the resource that could break the line or look like another field are escaped.
std::string AuditLine(const AuditEntry& entry);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_AUDIT_H_
