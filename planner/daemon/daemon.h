#ifndef GREENPLAN_PLANNER_DAEMON_DAEMON_H_
#define GREENPLAN_PLANNER_DAEMON_DAEMON_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"

namespace greenplan {

// The daemon's flags, each under its own name. `greenpland --help` describes them for users.
struct DaemonOptions {
  // HOST:PORT that answers calls. Port 0 takes a free port, which the log tells. Other addresses than those of this
  // machine need TLS or `insecure`.
  std::string listen = "127.0.0.1:7437";

  // HOST:PORT that serves /metrics, /livez and /readyz over plain HTTP. Empty: none.
  std::string http_listen = "127.0.0.1:7438";

  // Whether it is an error if http_listen is taken. If false, the daemon then serves without that port.
  bool http_required = true;

  // The folder that holds greenplan.sqlite. Created if it is missing. Not used with `store`.
  std::string data_dir = "greenplan-data";

  // Whether the user named data_dir. Naming both data_dir and `store` is an error.
  bool data_dir_given = false;

  // The URI of a store (open_store.h). Empty: SQLite in data_dir.
  std::string store;

  // How many of a job's latest planned rounds keep their reports (retention.h), >= 1. Absent: all of them.
  std::optional<int64_t> keep_reports;

  // How long a job may be unused before it is deleted, as ParseDurationFlag reads it. Empty: no job is deleted.
  std::string delete_idle_after;

  // How long a round waits for all ranks after its first report, as ParseDurationFlag reads it. Jobs may have their
  // own.
  std::string quorum_timeout = "60s";

  // A file that gets the port of `listen` once calls are answered. Empty: none.
  std::string port_file;

  // A file that gets the port of `http_listen`. Empty: none.
  std::string http_port_file;

  // Files with the certificate chain and its key, in PEM. Both or none; without them there is no TLS.
  std::string tls_cert;
  std::string tls_key;

  // A file with the authorities of clients, in PEM. Empty: clients need no certificate.
  std::string tls_client_ca;

  // The tokens file (token_table.h). Empty: calls need no token.
  std::string tokens;

  // The quotas file (quota_table.h). Empty: nobody is limited.
  std::string quotas;

  // Whether `listen` may be off loopback without TLS.
  bool insecure = false;

  // Whether the daemon serves the descriptors of its services.
  bool reflection = true;

  // Whether the daemon serves gRPC's own state, which includes the addresses of clients.
  bool channelz = false;

  // Whether to check the options and the files that they name, and then end without serving.
  bool check_config = false;

  // "text", or "json" for an object on each line.
  std::string log_format = "text";

  // The lowest severity that is logged: trace, debug, info, warning, error, critical or off.
  std::string log_level = "info";
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
