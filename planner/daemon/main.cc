#include <string>

#include "planner/daemon/backup_command.h"
#include "planner/daemon/daemon.h"
#include "planner/daemon/json_log.h"
#include "planner/flags/program.h"

namespace {

void AddServingFlags(CLI::App& app, greenplan::DaemonOptions& options) {
  app.add_option("--listen", options.listen,
                 "HOST:PORT to serve on. Port 0 takes a free port, which the log and --port-file tell. An address that "
                 "other machines reach needs --tls-cert and --tls-key, or --insecure.")
      ->capture_default_str();
  app.add_option("--http-listen", options.http_listen,
                 "HOST:PORT that serves /metrics, /livez and /readyz over plain HTTP, without tokens. An empty value "
                 "turns it off. If another program has the default port, the daemon warns and serves without it.")
      ->capture_default_str();
  app.add_option("--http-port-file", options.http_port_file, "File that gets the port of --http-listen.");
  app.add_option("--data-dir", options.data_dir, "Folder of jobs, reports and plans; created if missing.")
      ->capture_default_str();
  app.add_option("--store", options.store,
                 "Where to keep them instead of --data-dir: sqlite:PATH; "
                 "postgresql://USER:PASSWORD@HOST:PORT/DATABASE, which several "
                 "daemons may share; or memory:, where nothing outlives the daemon. GREENPLAN_STORE keeps the password "
                 "off the command line.");
  app.add_option("--keep-reports", options.keep_reports,
                 "Keep the ranks' reports of this many of each job's latest rounds, at least 1. Plans and outcomes of "
                 "older rounds stay. Without the flag, all reports are kept.");
  app.add_option("--delete-idle-after", options.delete_idle_after,
                 "Delete jobs, with everything that belongs to them, once they have had no new round or revision for "
                 "this long, such as 720h. Without the flag, no job is deleted.");
  app.add_option("--quorum-timeout", options.quorum_timeout,
                 "How long a round waits for all ranks after its first report, unless its job says otherwise: seconds, "
                 "or a duration such as 5m. The plan then rests on the ranks that have reported.")
      ->capture_default_str();
  app.add_option("--port-file", options.port_file, "File that gets the port once calls are answered.");
  app.add_flag("!--no-reflection", options.reflection, "Do not serve the descriptors of the services.");
  app.add_flag("--channelz", options.channelz, "Serve gRPC's own state (channelz), the addresses of clients included.");
  app.add_flag("--check-config", options.check_config,
               "Check the flags, the --config file, and the files of TLS, tokens and quotas, then exit.");
}

void AddSecurityFlags(CLI::App& app, greenplan::DaemonOptions& options) {
  app.add_option(
      "--tls-cert", options.tls_cert,
      "File of the certificate chain, in PEM. It is read again when it changes; so are the other files here.");
  app.add_option("--tls-key", options.tls_key, "File of the private key of --tls-cert, in PEM.");
  app.add_option("--tls-client-ca", options.tls_client_ca,
                 "File of authorities, in PEM: every client must show a certificate of one of them (mTLS).");
  app.add_option(
      "--tokens", options.tokens,
      "TOML file of the tokens that callers must send: [[token]] tables with tenant, role = viewer, trainer or "
      "admin, and the sha256 of the token.");
  app.add_option(
      "--quotas", options.quotas,
      "TOML file of what each tenant may use: jobs, bytes, calls_per_second and solver_seconds_per_minute, in "
      "a [default] table and [[quota]] tables with a tenant.");
  app.add_flag("--insecure", options.insecure, "Listen without TLS on addresses that other machines reach, too.");
}

}  // namespace

int main(int argc, char** argv) {
  greenplan::DaemonOptions options;
  greenplan::Program program("greenpland", "Plans for training jobs, over gRPC.",
                             "greenpland --listen 0.0.0.0:7437 --data-dir /var/lib/greenplan --tls-cert cert.pem "
                             "--tls-key key.pem --tokens tokens.toml");
  CLI::App& app = program.app();
  AddServingFlags(app, options);
  AddSecurityFlags(app, options);
  app.add_option("--log-format", options.log_format, "text; or json: an object on each line of stderr.")
      ->capture_default_str()
      ->check(greenplan::OneOf({"text", "json"}));
  program.FormatErrors([&options](const std::string& line) {
    return options.log_format == "json" ? greenplan::JsonLogLine("error", line) : line;
  });
  app.add_option("--log-level", options.log_level,
                 "Lowest severity to log on stderr: trace, debug, info, warning, error, critical or off.")
      ->capture_default_str()
      ->check(greenplan::OneOf({"trace", "debug", "info", "warning", "error", "critical", "off"}));
  std::string output;
  CLI::App& backup =
      program.AddCommand("backup", "Copies the SQLite database and checks the copy, also while a daemon serves it.",
                         "greenpland backup --data-dir /var/lib/greenplan --output /backup/greenplan.sqlite", [&] {
                           options.data_dir_given = program.app().count("--data-dir") > 0;
                           return greenplan::RunBackup(options, output);
                         });
  backup.add_option("--output", output, "File to make; it must not exist.")->required();
  app.require_subcommand(0, 1);
  return program.Run(argc, argv, [&options, &program] {
    // A second daemon on a machine should not fail over a port that nobody has asked for.
    options.http_required = program.app().count("--http-listen") > 0;
    options.data_dir_given = program.app().count("--data-dir") > 0;
    return greenplan::RunDaemon(options);
  });
}
