#ifndef GREENPLAN_PLANNER_SECURITY_KEY_PAIR_H_
#define GREENPLAN_PLANNER_SECURITY_KEY_PAIR_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace greenplan {

// The TLS files of a client or a server, checked before anything uses them. Functions are thread-safe.
//
// Errors are InvalidArgument and name the flags --tls-cert and --tls-key (or `flag`), the file and what is wrong with
// it.

// A certificate, followed by those of the intermediate authorities, and its private key, all in PEM.
struct KeyPair {
  std::string certificate_chain;
  std::string private_key;

  // When the certificate becomes valid and when it expires. A certificate outside these dates is no error here: its
  // peers refuse it.
  absl::Time not_before;
  absl::Time not_after;

  friend bool operator==(const KeyPair& a, const KeyPair& b) {
    return a.certificate_chain == b.certificate_chain && a.private_key == b.private_key;
  }
};

// Reads both files and checks that the key belongs to the certificate. The key must not be encrypted.
absl::StatusOr<KeyPair> ReadKeyPair(const std::string& certificate_file, const std::string& key_file);

// Returns the certificates of the authorities to trust. There must be at least one, and all must be PEM.
absl::StatusOr<std::string> ReadAuthorities(absl::string_view flag, const std::string& file);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_KEY_PAIR_H_
