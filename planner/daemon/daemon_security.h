#ifndef GREENPLAN_PLANNER_DAEMON_DAEMON_SECURITY_H_
#define GREENPLAN_PLANNER_DAEMON_DAEMON_SECURITY_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/security/server_credentials.h"
#include "planner/daemon/daemon.h"
#include "planner/daemon/reload_log.h"
#include "planner/security/access.h"
#include "planner/security/server_tls.h"

namespace greenplan {

// What the daemon's options say about security, checked as a whole: TLS, tokens, and that nothing is open to the
// network by oversight.
//
// Thread-safety: access() and NewCredentials() may be called from any thread. LogState and Reload are for one thread.
class DaemonSecurity {
 public:
  // Reads all files that the options name. InvalidArgument, naming flags, if flags that belong together are not given
  // together, if `listen` is off loopback without TLS and without --insecure, or if a file is at fault. REQUIRES:
  // options.listen is HOST:PORT.
  static absl::StatusOr<std::unique_ptr<DaemonSecurity>> Create(const DaemonOptions& options);

  // Logs whether there is TLS, and until when its certificate is valid.
  void LogState() const;

  // Reads all files again. A file that is at fault is logged once and what it held before stays in force. Changes are
  // logged too.
  void Reload();

  // Returns who may call what. Valid as long as this object; it follows Reload.
  const Access& access() const { return *access_; }
  // Returns the credentials for one port: TLS that follows Reload, or plain text without TLS.
  std::shared_ptr<grpc::ServerCredentials> NewCredentials() const;

 private:
  DaemonSecurity(std::unique_ptr<ServerTls> tls, std::unique_ptr<Access> access);

  const std::unique_ptr<ServerTls> tls_;  // Null without TLS.
  const std::unique_ptr<Access> access_;
  ReloadLog tls_log_{"TLS"};
  ReloadLog tokens_log_{"--tokens"};
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_DAEMON_SECURITY_H_
