#include "planner/client/server_security.h"

#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/strip.h"
#include "planner/core/invalid_argument.h"
#include "planner/files/files.h"
#include "planner/security/key_pair.h"

namespace greenplan {
namespace {

constexpr absl::string_view kAuthoritiesFlag = "--tls-ca";
constexpr absl::string_view kTokenFlag = "--token-file";
constexpr absl::string_view kSystem = "system";

// Where Linux distributions keep the authorities that the machine trusts: Debian, Red Hat, SUSE, Alpine.
constexpr const char* kSystemAuthorities[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                              "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

absl::StatusOr<std::string> SystemAuthoritiesFile() {
  // OpenSSL's own variable, which administrators know.
  if (const char* file = getenv("SSL_CERT_FILE"); file != nullptr && *file != '\0') return std::string(file);
  for (const char* file : kSystemAuthorities) {
    if (access(file, R_OK) == 0) return std::string(file);
  }
  return InvalidArgument(kAuthoritiesFlag, " is system, but this machine has none of the usual files of authorities (",
                         kSystemAuthorities[0], ", ...); name a file, or set SSL_CERT_FILE");
}

absl::Status CheckTogether(const ServerSecurity& security) {
  if (security.tls_cert.empty() != security.tls_key.empty()) {
    const bool has_cert = !security.tls_cert.empty();
    return InvalidArgument(has_cert ? "--tls-cert" : "--tls-key", " is given without ",
                           has_cert ? "--tls-key" : "--tls-cert", "; a client certificate needs both");
  }
  if (!security.tls_cert.empty() && security.tls_ca.empty()) {
    return InvalidArgument("--tls-cert",
                           " is given without --tls-ca, which switches TLS on; allowed: a file, or system");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<TlsFiles>> ReadTlsFiles(const ServerSecurity& security) {
  if (absl::Status status = CheckTogether(security); !status.ok()) return status;
  if (security.tls_ca.empty()) return std::nullopt;
  absl::StatusOr<std::string> file = security.tls_ca;
  if (security.tls_ca == kSystem) file = SystemAuthoritiesFile();
  if (!file.ok()) return file.status();
  absl::StatusOr<std::string> authorities = ReadAuthorities(kAuthoritiesFlag, *file);
  if (!authorities.ok()) return authorities.status();
  TlsFiles files{.authorities = *std::move(authorities)};
  if (security.tls_cert.empty()) return files;
  absl::StatusOr<KeyPair> pair = ReadKeyPair(security.tls_cert, security.tls_key);
  if (!pair.ok()) return pair.status();
  files.certificate_chain = std::move(pair->certificate_chain);
  files.private_key = std::move(pair->private_key);
  return files;
}

absl::StatusOr<std::string> ReadTokenFile(const std::string& file) {
  const absl::StatusOr<std::string> content = ReadFile(file);
  if (!content.ok()) return InvalidArgument(kTokenFlag, ": ", content.status().message());
  const absl::string_view token = absl::StripAsciiWhitespace(*content);
  const bool is_visible =
      std::all_of(token.begin(), token.end(), [](unsigned char c) { return absl::ascii_isgraph(c); });
  if (token.empty() || !is_visible) {
    return InvalidArgument(kTokenFlag, " is ", file, ", which does not hold one line of visible ASCII characters");
  }
  return std::string(token);
}

}  // namespace greenplan
