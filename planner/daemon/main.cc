#include "planner/daemon/daemon.h"
#include "planner/flags/program.h"

int main(int argc, char** argv) {
  greenplan::DaemonOptions options;
  greenplan::Program program("greenpland", "Plans for training jobs, over gRPC.",
                             "greenpland --listen 0.0.0.0:7437 --data-dir /var/lib/greenplan");
  CLI::App& app = program.app();
  app.add_option("--listen", options.listen,
                 "HOST:PORT to serve on; port 0 takes a free one, which the log and --port-file tell.")
      ->capture_default_str();
  app.add_option("--data-dir", options.data_dir, "Folder of jobs, reports and plans; created if missing.")
      ->capture_default_str();
  app.add_option("--port-file", options.port_file, "File that gets the port once calls are answered.");
  app.add_option("--log-level", options.log_level,
                 "Least severity to log on stderr: trace, debug, info, warning, error, critical or off.")
      ->capture_default_str()
      ->check(greenplan::OneOf({"trace", "debug", "info", "warning", "error", "critical", "off"}));
  return program.Run(argc, argv, [&options] { return greenplan::RunDaemon(options); });
}
