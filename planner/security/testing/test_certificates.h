#ifndef GREENPLAN_PLANNER_SECURITY_TESTING_TEST_CERTIFICATES_H_
#define GREENPLAN_PLANNER_SECURITY_TESTING_TEST_CERTIFICATES_H_

#include <memory>
#include <string>

#include "absl/time/time.h"

typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;

namespace greenplan {

// An issued certificate and its key, in PEM.
struct IssuedCertificate {
  std::string certificate;
  std::string key;
};

// A certificate authority for tests, which makes its certificates when the test runs.
//
//   const TestAuthority authority("an authority");
//   const IssuedCertificate server = authority.Issue({.name = "server"});
//
// Not thread-safe. Failures of OpenSSL end the test.
class TestAuthority {
 public:
  struct Request {
    std::string name;                                  // The common name.
    std::string hosts = "DNS:localhost,IP:127.0.0.1";  // The subject alternative names, as OpenSSL writes them.
    absl::Duration starts = -absl::Hours(1);           // When the certificate becomes valid and when it expires,
    absl::Duration ends = absl::Hours(1);              // both from now.
  };

  explicit TestAuthority(const std::string& name);
  ~TestAuthority();

  // Returns a certificate that this authority has signed.
  IssuedCertificate Issue(const Request& request) const;
  // The authority's own certificate in PEM, to be trusted.
  const std::string& certificate() const { return pem_; }

 private:
  EVP_PKEY* key_;
  X509* certificate_;
  std::string pem_;
};

// Returns a certificate that is signed by its own key.
IssuedCertificate SelfSigned(const TestAuthority::Request& request);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_TESTING_TEST_CERTIFICATES_H_
