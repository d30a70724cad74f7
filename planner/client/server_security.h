#ifndef GREENPLAN_PLANNER_CLIENT_SERVER_SECURITY_H_
#define GREENPLAN_PLANNER_CLIENT_SERVER_SECURITY_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"

namespace greenplan {

// How a client makes sure of the planner daemon, and how the daemon knows the client. Each field is a flag of the same
// name (server_flags.h).
struct ServerSecurity {
  // A file with the certificates of the authorities to trust, in PEM, or "system" for those of this machine. Empty: no
  // TLS.
  std::string tls_ca = {};

  // Files with the client's own certificate chain and key, in PEM, for a daemon that asks for one (mTLS). Both or none;
  // they need tls_ca.
  std::string tls_cert = {};
  std::string tls_key = {};

  // A file that holds one line, the token. Empty: no token is sent.
  std::string token_file = {};

  // Whether a token may be sent without TLS to another machine, for a network that is protected otherwise.
  bool insecure = false;
};

// What the files of `tls_ca`, `tls_cert` and `tls_key` hold.
struct TlsFiles {
  std::string authorities = {};  // PEM.
  std::string certificate_chain = {};
  std::string private_key = {};

  friend bool operator==(const TlsFiles&, const TlsFiles&) = default;
};

// Reads the files; nullopt if there is no tls_ca, that is, no TLS. InvalidArgument, naming the flag and the file, if a
// file cannot be read or holds something else, if the key is not the certificate's, or if a flag is given without the
// one that it needs. Thread-safe.
absl::StatusOr<std::optional<TlsFiles>> ReadTlsFiles(const ServerSecurity& security);

// Returns the token in `file`. InvalidArgument, naming --token-file and the file, if it cannot be read or is not one
// line of visible ASCII characters. Thread-safe.
absl::StatusOr<std::string> ReadTokenFile(const std::string& file);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_SERVER_SECURITY_H_
