#include "planner/client/server_flags.h"

#include <cstdlib>

#include "grpc/support/log.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

// gRPC writes lines about a server that it finds unusual and about connections that it tries again. What comes of a
// call is reported as Status.
void SilenceGrpcLog() {
  if (std::getenv("GRPC_VERBOSITY") == nullptr) gpr_set_log_function([](gpr_log_func_args*) {});
}

}  // namespace

void AddServerSecurityFlags(CLI::App& app, ServerSecurity& security) {
  SilenceGrpcLog();
  app.add_option("--tls-ca", security.tls_ca,
                 "Reach the daemon over TLS. Names the file of the authorities to trust, in PEM, or system for those "
                 "of this machine.");
  app.add_option("--tls-cert", security.tls_cert,
                 "File of this client's certificate chain, in PEM, for a daemon that asks for one (mTLS).");
  app.add_option("--tls-key", security.tls_key, "File of the private key of --tls-cert, in PEM.");
  app.add_option("--token-file", security.token_file,
                 "File of one line, the token that the daemon knows this client by. It may be replaced at any time.");
  app.add_flag("--insecure", security.insecure,
               "Send the token without TLS to another machine, over a network that is protected otherwise.");
}

ServerFlags::ServerFlags(CLI::App& app) {
  app.add_option("--server", server_, "HOST:PORT of the daemon; separate several replicas by commas.")
      ->capture_default_str();
  AddServerSecurityFlags(app, security_);
}

absl::StatusOr<std::unique_ptr<PlannerChannel>> ServerFlags::Open() const {
  if (IsServerList(server_)) return PlannerChannel::Create(server_, security_);
  return InvalidArgument("--server", " is ", server_, "; allowed: HOST:PORT[,HOST:PORT...], PORT being 1 to 65535");
}

}  // namespace greenplan
