#include "planner/security/testing/test_certificates.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <atomic>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

constexpr long kX509Version3 = 2;

EVP_PKEY* NewKey() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  EXPECT_NE(key, nullptr);
  return key;
}

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, /*loc=*/-1);
  X509_EXTENSION_free(extension);
}

// A certificate with everything but its extensions and its signature.
X509* NewCertificate(const TestAuthority::Request& request, EVP_PKEY* key) {
  static std::atomic<long> serial = 1;
  X509* certificate = X509_new();
  X509_set_version(certificate, kX509Version3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), absl::ToInt64Seconds(request.starts));
  X509_gmtime_adj(X509_getm_notAfter(certificate), absl::ToInt64Seconds(request.ends));
  X509_set_pubkey(certificate, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(request.name.c_str()), -1, -1, 0);
  return certificate;
}

void Sign(X509* certificate, X509* issuer, EVP_PKEY* issuer_key) {
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  EXPECT_GT(X509_sign(certificate, issuer_key, EVP_sha256()), 0);
}

template <typename Write>
std::string Pem(const Write& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  EXPECT_EQ(write(bio), 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string pem(data, size);
  BIO_free(bio);
  return pem;
}

std::string CertificatePem(X509* certificate) {
  return Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

IssuedCertificate PemOf(X509* certificate, EVP_PKEY* key) {
  return {CertificatePem(certificate),
          Pem([&](BIO* bio) { return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); })};
}

// A new key with its certificate, signed by the issuer or, if that is null, by itself.
IssuedCertificate NewPair(const TestAuthority::Request& request, X509* issuer, EVP_PKEY* issuer_key) {
  EVP_PKEY* key = NewKey();
  X509* certificate = NewCertificate(request, key);
  X509* signer = issuer == nullptr ? certificate : issuer;
  AddExtension(certificate, signer, NID_subject_alt_name, request.hosts);
  Sign(certificate, signer, issuer == nullptr ? key : issuer_key);
  IssuedCertificate issued = PemOf(certificate, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return issued;
}

}  // namespace

TestAuthority::TestAuthority(const std::string& name) : key_(NewKey()) {
  certificate_ = NewCertificate({.name = name, .ends = absl::Hours(2)}, key_);
  AddExtension(certificate_, certificate_, NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate_, certificate_, NID_subject_key_identifier, "hash");
  Sign(certificate_, certificate_, key_);
  pem_ = CertificatePem(certificate_);
}

TestAuthority::~TestAuthority() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

IssuedCertificate TestAuthority::Issue(const Request& request) const { return NewPair(request, certificate_, key_); }

IssuedCertificate SelfSigned(const TestAuthority::Request& request) { return NewPair(request, nullptr, nullptr); }

}  // namespace greenplan
