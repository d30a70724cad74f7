#ifndef GREENPLAN_PLANNER_DAEMON_DAEMON_H_
#define GREENPLAN_PLANNER_DAEMON_DAEMON_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace greenplan {

// The daemon's flags, each under its own name. `greenpland --help` describes them for users.
struct DaemonOptions {
  std::string listen = "127.0.0.1:7437";       // HOST:PORT; port 0 takes a free one, which the log tells.
  std::string http_listen = "127.0.0.1:7438";  // HOST:PORT of /metrics, /livez and /readyz. Empty: none.
  bool http_required = true;                   // False: if http_listen is taken, serve without it.
  std::string data_dir = "greenplan-data";     // Created if missing; holds greenplan.sqlite. Not used with `store`.
  bool data_dir_given = false;                 // Then `store` is refused.
  std::string store;                           // URI of a store (open_store.h). Empty: SQLite in data_dir.
  std::optional<int64_t> keep_reports;         // Rounds of a job that keep their reports (retention.h); absent: all.
  std::string delete_idle_after;               // As quorum_timeout; jobs unused for so long go. Empty: none.
  std::string quorum_timeout = "60s";          // As ParseDurationFlag takes it; for jobs that do not say.
  std::string port_file;                       // Gets the port, once calls are answered. Empty: none.
  std::string http_port_file;                  // The same of http_listen.
  std::string tls_cert;                        // Certificate chain and key in PEM: both or none. Empty: no TLS.
  std::string tls_key;
  std::string tls_client_ca;        // Authorities of clients, in PEM. Empty: clients need no certificate.
  std::string tokens;               // Tokens file (token_table.h). Empty: calls need no token.
  std::string quotas;               // Quotas file (quota_table.h). Empty: no limits.
  bool insecure = false;            // Permits `listen` off loopback without TLS.
  bool reflection = true;           // Serves the descriptors of its services.
  bool channelz = false;            // Serves gRPC's own state, connections included.
  bool check_config = false;        // Checks the options and the files they name, and serves nothing.
  std::string log_format = "text";  // Or "json": an object on each line.
  std::string log_level = "info";   // trace, debug, info, warning, error, critical or off.
};

// Serves until SIGTERM or SIGINT, then drains and returns OK. Certificates, key, tokens and quotas are read again on
// SIGHUP and every few seconds; files that do not fit together change nothing.
//
// Call it from main before any other thread is started, since it blocks the signals. InvalidArgument if an address or a
// duration is malformed, if a file of TLS, tokens or quotas is at fault, or if `listen` is off loopback without TLS.
// Other errors name the folder, file or address at fault.
absl::Status RunDaemon(const DaemonOptions& options);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_DAEMON_DAEMON_H_
