#include "planner/daemon/daemon.h"

#include <signal.h>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpc/support/log.h"
#include "planner/core/invalid_argument.h"
#include "planner/daemon/server.h"
#include "planner/files/files.h"
#include "planner/rpc/host_port.h"
#include "planner/service/job_engine.h"
#include "planner/store/sqlite/sqlite_store.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace greenplan {
namespace {

// How long calls in progress may take after a signal.
constexpr absl::Duration kDrainPatience = absl::Seconds(10);

// Blocks the signals that end the daemon in every thread that is started later, and waits for one of them.
class ShutdownSignals {
 public:
  ShutdownSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
  }

  int Wait() const {
    int signal = 0;
    sigwait(&signals_, &signal);
    return signal;
  }

 private:
  sigset_t signals_;
};

// What gRPC has to say of its own is for whoever debugs it; errors that matter are reported as Status.
void LogGrpc(gpr_log_func_args* line) { spdlog::debug("grpc: {}", line->message); }

void SetUpLog(const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("greenpland"));
  spdlog::set_level(spdlog::level::from_str(level));
  gpr_set_log_function(LogGrpc);
}

absl::Status ValidateListen(absl::string_view listen) {
  if (ParseHostPort(listen).has_value()) return absl::OkStatus();
  return InvalidArgument("--listen", " is ", listen, "; allowed: HOST:PORT, PORT being 0 to 65535");
}

absl::StatusOr<std::unique_ptr<Store>> OpenStore(const std::string& data_dir) {
  std::error_code error;
  std::filesystem::create_directories(data_dir, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("--data-dir ", data_dir, " cannot be created: ", error.message()));
  }
  return OpenSqliteStore(data_dir + "/greenplan.sqlite");
}

}  // namespace

absl::Status RunDaemon(const DaemonOptions& options) {
  const ShutdownSignals signals;
  if (absl::Status status = ValidateListen(options.listen); !status.ok()) return status;
  SetUpLog(options.log_level);
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenStore(options.data_dir);
  if (!store.ok()) return store.status();
  JobEngine engine(store->get(), {.on_store_error = [](const absl::Status& status) {
                     spdlog::error("store: {}", status.ToString());
                   }});
  const absl::StatusOr<std::unique_ptr<GrpcServer>> server = GrpcServer::Start({.listen = options.listen}, &engine);
  if (!server.ok()) return server.status();
  if (!options.port_file.empty()) {
    absl::Status status = WriteFile(options.port_file, absl::StrCat((*server)->port(), "\n"));
    if (!status.ok()) return absl::Status(status.code(), absl::StrCat("--port-file: ", status.message()));
  }
  spdlog::info("serving on port {} ({}), data in {}", (*server)->port(), options.listen, options.data_dir);
  spdlog::info("{}: draining", strsignal(signals.Wait()));
  (*server)->Drain(kDrainPatience);
  spdlog::info("stopped");
  return absl::OkStatus();
}

}  // namespace greenplan
