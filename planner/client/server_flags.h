#ifndef GREENPLAN_PLANNER_CLIENT_SERVER_FLAGS_H_
#define GREENPLAN_PLANNER_CLIENT_SERVER_FLAGS_H_

#include <memory>
#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "planner/client/planner_channel.h"
#include "planner/client/server_security.h"

namespace greenplan {

// Adds --tls-ca, --tls-cert, --tls-key, --token-file and --insecure to `app`. `security` must outlive parsing.
//
// A program that has these flags also silences gRPC's own log, so that stderr holds the program's lines alone, unless
// the environment variable GRPC_VERBOSITY asks for it.
void AddServerSecurityFlags(CLI::App& app, ServerSecurity& security);

// The flags of a command that calls a daemon: --server and those above.
//
//   explicit JobsCommand(CLI::App& app) : server_(app) {}
//   ... in Run:
//   absl::StatusOr<std::unique_ptr<PlannerChannel>> channel = server_.Open();
//
// Not thread-safe. Must outlive parsing; the app must outlive it.
class ServerFlags {
 public:
  explicit ServerFlags(CLI::App& app);
  ServerFlags(const ServerFlags&) = delete;
  ServerFlags& operator=(const ServerFlags&) = delete;

  // Makes a channel to the daemon without waiting for it. InvalidArgument, naming the flag, if --server is no list of
  // HOST:PORT or a file of the other flags is at fault. REQUIRES: the command line has been parsed.
  absl::StatusOr<std::unique_ptr<PlannerChannel>> Open() const;

 private:
  std::string server_ = "127.0.0.1:7437";
  ServerSecurity security_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_SERVER_FLAGS_H_
