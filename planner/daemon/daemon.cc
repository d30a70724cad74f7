#include "planner/daemon/daemon.h"

#include <signal.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpc/support/log.h"
#include "planner/admission/connection_acceptor.h"
#include "planner/admission/quotas.h"
#include "planner/core/invalid_argument.h"
#include "planner/core/version.h"
#include "planner/daemon/daemon_metrics.h"
#include "planner/daemon/daemon_retention.h"
#include "planner/daemon/daemon_security.h"
#include "planner/daemon/daemon_store.h"
#include "planner/daemon/heap_trimmer.h"
#include "planner/daemon/json_log.h"
#include "planner/daemon/reload_log.h"
#include "planner/daemon/server.h"
#include "planner/daemon/systemd_notice.h"
#include "planner/files/files.h"
#include "planner/flags/duration_flag.h"
#include "planner/metrics/http_port.h"
#include "planner/metrics/metrics.h"
#include "planner/rpc/host_port.h"
#include "planner/service/job_engine.h"
#include "planner/service/retention.h"
#include "planner/store/metered_store.h"
#include "spdlog/sinks/stdout_color_sinks.h"
#include "spdlog/spdlog.h"

namespace greenplan {
namespace {

// How long it is announced that the daemon drains before it refuses calls. Clients that watch its health have turned to
// other replicas by then.
constexpr absl::Duration kDrainNotice = absl::Milliseconds(200);

// How long calls in progress may take after that.
constexpr absl::Duration kDrainPatience = absl::Seconds(10);

// How often files of TLS, tokens and quotas are looked at again.
constexpr absl::Duration kReloadInterval = absl::Seconds(5);

// Blocks, in every thread that is started later, the signals that the daemon acts on, and waits for them.
class DaemonSignals {
 public:
  DaemonSignals() {
    sigemptyset(&signals_);
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals_, signal);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    // A write beyond the limit of a file's size (ulimit -f) is an error of the call that needed it, as on a full disk.
    signal(SIGXFSZ, SIG_IGN);
  }

  // Returns the signal, or 0 if there was none within `timeout`.
  int Wait(absl::Duration timeout) const {
    const timespec limit = absl::ToTimespec(timeout);
    const int signal = sigtimedwait(&signals_, nullptr, &limit);
    return signal < 0 ? 0 : signal;
  }

 private:
  sigset_t signals_;
};

// Keeps certificates, tokens and quotas up to date until a signal ends the daemon. Returns that signal.
int WaitForShutdown(const DaemonSignals& signals, DaemonSecurity& security, Quotas& quotas) {
  ReloadLog quotas_log("--quotas");
  for (;;) {
    const int signal = signals.Wait(kReloadInterval);
    if (signal == SIGTERM || signal == SIGINT) return signal;
    security.Reload();
    quotas_log.Record(quotas.Reload());
  }
}

// What gRPC has to say of its own is for whoever debugs it; errors that matter are reported as Status.
void LogGrpc(gpr_log_func_args* line) { spdlog::debug("grpc: {}", line->message); }

void SetUpLog(const std::string& format, const std::string& level) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("greenpland"));
  if (format == "json") spdlog::set_formatter(NewJsonLogFormatter());
  spdlog::set_level(spdlog::level::from_str(level));
  gpr_set_log_function(LogGrpc);
}

// Debian builds Abseil such that every lock of a mutex, those of gRPC included, is looked up in one graph of the whole
// process, under one lock, to find deadlocks. That is for tests, which keep it.
void SpareDeadlockDetection() { absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); }

absl::Status ValidateListen(absl::string_view flag, absl::string_view listen) {
  if (ParseHostPort(listen).has_value()) return absl::OkStatus();
  return InvalidArgument(flag, " is ", listen, "; allowed: HOST:PORT, PORT being 0 to 65535");
}

absl::Status ValidateAddresses(const DaemonOptions& options) {
  if (absl::Status status = ValidateListen("--listen", options.listen); !status.ok()) return status;
  return options.http_listen.empty() ? absl::OkStatus() : ValidateListen("--http-listen", options.http_listen);
}

void LogFull(bool is_full) {
  if (is_full) {
    spdlog::warn("no room for more connections: new ones wait until others end");
  } else {
    spdlog::info("there is room for connections again");
  }
}

// `has_quotas`: somebody limits what tenants keep. To add up what a tenant keeps takes the longer, the more that is.
JobEngine::Options EngineOptions(absl::Duration quorum_timeout, bool has_quotas, Quotas& quotas, Metrics* metrics) {
  EngineObserver observer = RecordEngine(metrics);
  observer.on_search = [&quotas, record = std::move(observer.on_search)](const std::string& tenant,
                                                                         absl::Duration time) {
    record(tenant, time);
    quotas.ChargeSolving(tenant, time);
  };
  JobEngine::Options options = {
      .on_store_error = [](const absl::Status& status) { spdlog::error("store: {}", status.ToString()); },
      .quorum_timeout = quorum_timeout,
      .observer = std::move(observer)};
  if (has_quotas) {
    options.admit_usage = [&quotas](const std::string& tenant, const TenantUsage& usage) {
      return quotas.AdmitUsage(tenant, usage.num_jobs, usage.num_bytes);
    };
  }
  return options;
}

GrpcServer::Options ServerOptions(const DaemonOptions& options, const DaemonSecurity& security, Quotas* quotas,
                                  Metrics* metrics) {
  return {.listen = options.listen,
          .credentials = security.NewCredentials(),
          .calls = {.access = &security.access(),
                    .quotas = quotas,
                    .audit = [](const AuditEntry& entry) { spdlog::info("audit: {}", AuditLine(entry)); }},
          .metrics = metrics,
          .reflection = options.reflection,
          .channelz = options.channelz,
          .connections = {.on_full = LogFull}};
}

// Why a load balancer should send no calls here.
std::vector<std::string> ReasonsNotReady(JobEngine& engine, const std::atomic<bool>& is_serving) {
  std::vector<std::string> reasons;
  if (!is_serving) reasons.push_back("the daemon is starting or draining");
  // That there is no such job is an answer.
  const absl::Status store = engine.store().GetJobHead({.tenant = "", .name = "jobs/readyz"}).status();
  if (!store.ok() && !absl::IsNotFound(store)) reasons.push_back(absl::StrCat("store: ", store.message()));
  return reasons;
}

// Null without --http-listen, or if nobody asked for the port and it is taken.
absl::StatusOr<std::unique_ptr<HttpPort>> StartHttp(const DaemonOptions& options, JobEngine& engine,
                                                    const Metrics& metrics, const std::atomic<bool>& is_serving) {
  if (options.http_listen.empty()) return nullptr;
  absl::StatusOr<std::unique_ptr<HttpPort>> port =
      HttpPort::Start({.listen = options.http_listen,
                       .metrics = [&metrics] { return metrics.Text(); },
                       .not_ready = [&engine, &is_serving] { return ReasonsNotReady(engine, is_serving); }});
  if (!port.ok() && !options.http_required) return nullptr;
  return port;
}

absl::Status WritePort(const char* flag, const std::string& file, int port) {
  if (file.empty()) return absl::OkStatus();
  const absl::Status status = WriteFile(file, absl::StrCat(port, "\n"));
  return status.ok() ? status : absl::Status(status.code(), absl::StrCat(flag, ": ", status.message()));
}

// The port of calls last: who waits for its file finds the other one there.
absl::Status WritePorts(const DaemonOptions& options, const GrpcServer& server, const HttpPort* http) {
  if (http != nullptr) {
    if (absl::Status status = WritePort("--http-port-file", options.http_port_file, http->port()); !status.ok()) {
      return status;
    }
  }
  return WritePort("--port-file", options.port_file, server.port());
}

void LogStart(const DaemonOptions& options, const StoreUri& store, const GrpcServer& server, const HttpPort* http) {
  if (http != nullptr) {
    spdlog::info("serving /metrics, /livez and /readyz on port {} ({})", http->port(), options.http_listen);
  } else if (!options.http_listen.empty()) {
    spdlog::warn("{} is taken: /metrics, /livez and /readyz are not served; name another --http-listen",
                 options.http_listen);
  }
  spdlog::info("serving on port {} ({}), data in {}", server.port(), options.listen, store.name());
  if (store.driver() == StoreUri::Driver::kMemory) spdlog::warn("the store is in memory: nothing outlives the daemon");
}

// Whether systemd can be reached is no reason to end: it will say so itself.
void TellSystemd(const std::string& state) {
  if (absl::Status status = NotifySystemd(state); !status.ok()) spdlog::warn("systemd: {}", status.ToString());
}

}  // namespace

absl::Status RunDaemon(const DaemonOptions& options) {
  SpareDeadlockDetection();
  const DaemonSignals signals;
  if (absl::Status status = ValidateAddresses(options); !status.ok()) return status;
  const absl::StatusOr<absl::Duration> quorum_timeout = ParseDurationFlag("--quorum-timeout", options.quorum_timeout);
  if (!quorum_timeout.ok()) return quorum_timeout.status();
  const absl::StatusOr<Retention::Options> retention_options = RetentionOf(options);
  if (!retention_options.ok()) return retention_options.status();
  SetUpLog(options.log_format, options.log_level);
  const absl::StatusOr<std::unique_ptr<DaemonSecurity>> security = DaemonSecurity::Create(options);
  if (!security.ok()) return security.status();
  const absl::StatusOr<std::unique_ptr<Quotas>> quotas = Quotas::Create(options.quotas);
  if (!quotas.ok()) return quotas.status();
  const absl::StatusOr<StoreUri> store_uri = StoreOf(options);
  if (!store_uri.ok()) return store_uri.status();
  if (options.check_config) return absl::OkStatus();
  const absl::StatusOr<std::unique_ptr<Store>> store = OpenStoreOf(options, *store_uri);
  if (!store.ok()) return store.status();
  RaiseDescriptorLimit();
  Metrics metrics{std::string(kVersion)};
  const std::unique_ptr<Store> metered_store = NewMeteredStore(store->get(), RecordStore(&metrics));
  JobEngine engine(metered_store.get(), EngineOptions(*quorum_timeout, !options.quotas.empty(), **quotas, &metrics));
  AddQueueGauges("calls", &engine.calls(), &metrics);
  AddQueueGauges("changes", &engine.changes(), &metrics);
  AddQueueGauges("searches", &engine.searches(), &metrics);
  const Retention retention(metered_store.get(), *retention_options);
  std::atomic<bool> is_serving = false;
  const absl::StatusOr<std::unique_ptr<GrpcServer>> server =
      GrpcServer::Start(ServerOptions(options, **security, quotas->get(), &metrics), &engine);
  if (!server.ok()) return server.status();
  metrics.AddGauge("greenplan_connections", "Open connections of clients.", {},
                   [server = server->get()] { return static_cast<double>(server->CountConnections()); });
  metrics.AddGauge("greenplan_answers_waiting_bytes", "What the answers take that clients have not taken yet.", {},
                   [server = server->get()] { return static_cast<double>(server->CountAnswerBytes()); });
  const absl::StatusOr<std::unique_ptr<HttpPort>> http = StartHttp(options, engine, metrics, is_serving);
  if (!http.ok()) return http.status();
  const HeapTrimmer heap_trimmer;
  is_serving = true;
  if (absl::Status status = WritePorts(options, **server, http->get()); !status.ok()) return status;
  LogStart(options, *store_uri, **server, http->get());
  (*security)->LogState();
  TellSystemd(absl::StrCat("READY=1\nSTATUS=serving on port ", (*server)->port()));
  const int signal = WaitForShutdown(signals, **security, **quotas);
  is_serving = false;
  TellSystemd("STOPPING=1\nSTATUS=draining");
  spdlog::info("{}: draining", strsignal(signal));
  (*server)->AnnounceDrain();
  absl::SleepFor(kDrainNotice);
  (*server)->Drain(kDrainPatience);
  spdlog::info("stopped");
  return absl::OkStatus();
}

}  // namespace greenplan
