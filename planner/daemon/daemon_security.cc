#include "planner/daemon/daemon_security.h"

#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/time/clock.h"
#include "planner/core/invalid_argument.h"
#include "planner/rpc/host_port.h"
#include "spdlog/spdlog.h"

namespace greenplan {
namespace {

absl::Status CheckFlagsTogether(const DaemonOptions& options) {
  if (options.tls_cert.empty() != options.tls_key.empty()) {
    const bool has_cert = !options.tls_cert.empty();
    return InvalidArgument(has_cert ? "--tls-cert" : "--tls-key", " is given without ",
                           has_cert ? "--tls-key" : "--tls-cert", "; TLS needs both");
  }
  if (!options.tls_client_ca.empty() && options.tls_cert.empty()) {
    return InvalidArgument("--tls-client-ca", " is given without --tls-cert and --tls-key; mTLS needs all three");
  }
  // Whoever reaches the port may read the addresses of all clients there; gRPC asks nobody for a token.
  if (options.channelz && !options.tokens.empty() && options.tls_client_ca.empty()) {
    return InvalidArgument("--channelz",
                           " would answer callers without a token; allowed with --tokens: together with "
                           "--tls-client-ca");
  }
  return absl::OkStatus();
}

absl::Status CheckIsProtected(const DaemonOptions& options) {
  const std::optional<HostPort> address = ParseHostPort(options.listen);
  if (!options.tls_cert.empty() || options.insecure || IsLoopback(address->host)) return absl::OkStatus();
  return InvalidArgument("--listen", " is ", options.listen,
                         ", which other machines reach, in clear text; allowed: "
                         "--tls-cert and --tls-key, an address of this machine alone such as 127.0.0.1, or --insecure");
}

void LogExpiry(const ServerTls& tls) {
  const std::string date = absl::FormatTime("%Y-%m-%d %H:%M UTC", tls.not_after(), absl::UTCTimeZone());
  if (tls.not_after() > absl::Now()) {
    spdlog::info("TLS certificate valid until {}", date);
  } else {
    spdlog::warn("TLS certificate expired on {}: clients will refuse it", date);
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<DaemonSecurity>> DaemonSecurity::Create(const DaemonOptions& options) {
  if (absl::Status status = CheckFlagsTogether(options); !status.ok()) return status;
  if (absl::Status status = CheckIsProtected(options); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<ServerTls>> tls = nullptr;
  if (!options.tls_cert.empty()) {
    tls = ServerTls::Create(
        {.certificate = options.tls_cert, .key = options.tls_key, .client_ca = options.tls_client_ca});
  }
  if (!tls.ok()) return tls.status();
  absl::StatusOr<std::unique_ptr<Access>> access = Access::Create(options.tokens);
  if (!access.ok()) return access.status();
  return absl::WrapUnique(new DaemonSecurity(*std::move(tls), *std::move(access)));
}

DaemonSecurity::DaemonSecurity(std::unique_ptr<ServerTls> tls, std::unique_ptr<Access> access)
    : tls_(std::move(tls)), access_(std::move(access)) {}

void DaemonSecurity::LogState() const {
  if (tls_ != nullptr) return LogExpiry(*tls_);
  spdlog::info("no TLS: calls and tokens cross the network in clear text");
}

void DaemonSecurity::Reload() {
  if (tls_ != nullptr) {
    const absl::Time before = tls_->not_after();
    tls_log_.Record(tls_->Reload());
    if (tls_->not_after() != before) LogExpiry(*tls_);
  }
  tokens_log_.Record(access_->Reload());
}

std::shared_ptr<grpc::ServerCredentials> DaemonSecurity::NewCredentials() const {
  return tls_ == nullptr ? grpc::InsecureServerCredentials() : tls_->NewCredentials();
}

}  // namespace greenplan
