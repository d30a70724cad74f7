#ifndef GREENPLAN_PLANNER_SECURITY_SERVER_TLS_H_
#define GREENPLAN_PLANNER_SECURITY_SERVER_TLS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "grpcpp/security/server_credentials.h"

namespace greenplan {

// The daemon's side of TLS: its certificate and key, and the authorities whose clients it lets in. They can be replaced
// while it serves; every new connection gets what was read last, always a key and a certificate that fit together.
//
//   auto tls = ServerTls::Create({.certificate = "cert.pem", .key = "key.pem", .client_ca = "ca.pem"});
//   builder.AddListeningPort(address, (*tls)->NewCredentials());
//   ... from time to time:
//   absl::Status status = (*tls)->Reload();
//
// Thread-safety: safe.
class ServerTls {
 public:
  // The names of the files.
  struct Files {
    // The certificate chain and its key, in PEM.
    std::string certificate;
    std::string key;
    // Authorities, in PEM. If named, every client must show a certificate of theirs (mTLS).
    std::string client_ca = {};
  };

  // Reads and checks the files. InvalidArgument, naming the flag and the file, if one of --tls-cert, --tls-key or
  // --tls-client-ca is at fault (key_pair.h). An expired certificate is taken, so that a daemon can start and be told
  // of a renewed one.
  static absl::StatusOr<std::unique_ptr<ServerTls>> Create(const Files& files);
  ~ServerTls();

  // Reads the files again. On an error, what was read before stays in use. The errors are those of Create, and
  // InvalidArgument if the certificate has expired or is not valid yet, since clients would refuse it. Open connections
  // are not affected.
  absl::Status Reload();

  // Returns when the certificate in use expires.
  absl::Time not_after() const;

  // Returns credentials for one port. This object must outlive the server.
  std::shared_ptr<grpc::ServerCredentials> NewCredentials() const;

 private:
  class State;

  ServerTls(const Files& files, std::unique_ptr<State> state);

  const Files files_;
  const std::unique_ptr<State> state_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_SERVER_TLS_H_
