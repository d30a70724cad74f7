#include "planner/security/key_pair.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <memory>
#include <utility>
#include <vector>

#include "planner/core/invalid_argument.h"
#include "planner/files/files.h"

namespace greenplan {
namespace {

constexpr absl::string_view kCertificateFlag = "--tls-cert";
constexpr absl::string_view kKeyFlag = "--tls-key";

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

std::unique_ptr<BIO, Free> BioOf(const std::string& pem) {
  return std::unique_ptr<BIO, Free>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// OpenSSL asks on the terminal for the password of an encrypted key unless it is told that there is none.
int NoPassword(char*, int, int, void*) { return -1; }

absl::StatusOr<std::string> ReadTlsFile(absl::string_view flag, const std::string& file) {
  absl::StatusOr<std::string> pem = ReadFile(file);
  if (pem.ok()) return pem;
  return InvalidArgument(flag, ": ", pem.status().message());
}

// The certificates in `pem` in their order; empty if one of them cannot be parsed.
std::vector<Certificate> ParseCertificates(const std::string& pem) {
  std::vector<Certificate> certificates;
  const auto bio = BioOf(pem);
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, NoPassword, nullptr)) {
    certificates.emplace_back(certificate);
  }
  // Reading ends with an error in any case. It is the end of the file if no further certificate starts.
  const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!is_end) certificates.clear();
  return certificates;
}

Key ParseKey(const std::string& pem) {
  Key key(PEM_read_bio_PrivateKey(BioOf(pem).get(), nullptr, NoPassword, nullptr));
  ERR_clear_error();
  return key;
}

absl::Time TimeOf(const ASN1_TIME* time, absl::Time if_malformed) {
  std::tm calendar = {};
  if (ASN1_TIME_to_tm(time, &calendar) != 1) return if_malformed;
  return absl::FromTM(calendar, absl::UTCTimeZone());
}

bool Fits(const Certificate& certificate, const Key& key) {
  const bool fits = X509_check_private_key(certificate.get(), key.get()) == 1;
  ERR_clear_error();
  return fits;
}

}  // namespace

absl::StatusOr<KeyPair> ReadKeyPair(const std::string& certificate_file, const std::string& key_file) {
  absl::StatusOr<std::string> chain = ReadTlsFile(kCertificateFlag, certificate_file);
  if (!chain.ok()) return chain.status();
  absl::StatusOr<std::string> key_pem = ReadTlsFile(kKeyFlag, key_file);
  if (!key_pem.ok()) return key_pem.status();
  const std::vector<Certificate> certificates = ParseCertificates(*chain);
  if (certificates.empty()) {
    return InvalidArgument(kCertificateFlag, " is ", certificate_file, ", which holds no certificate in PEM");
  }
  const Key key = ParseKey(*key_pem);
  if (key == nullptr) {
    return InvalidArgument(kKeyFlag, " is ", key_file, ", which holds no unencrypted private key in PEM");
  }
  if (!Fits(certificates.front(), key)) {
    return InvalidArgument(kKeyFlag, " is ", key_file, ", which is not the key of the certificate in ",
                           kCertificateFlag, " ", certificate_file);
  }
  const X509* certificate = certificates.front().get();
  return KeyPair{*std::move(chain), *std::move(key_pem), TimeOf(X509_get0_notBefore(certificate), absl::InfinitePast()),
                 TimeOf(X509_get0_notAfter(certificate), absl::InfiniteFuture())};
}

absl::StatusOr<std::string> ReadAuthorities(absl::string_view flag, const std::string& file) {
  absl::StatusOr<std::string> pem = ReadTlsFile(flag, file);
  if (!pem.ok()) return pem.status();
  if (ParseCertificates(*pem).empty()) {
    return InvalidArgument(flag, " is ", file, ", which holds no certificates in PEM, or one that cannot be read");
  }
  return pem;
}

}  // namespace greenplan
