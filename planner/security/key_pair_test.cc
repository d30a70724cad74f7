#include "planner/security/key_pair.h"

#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/files/files.h"
#include "planner/security/testing/test_certificates.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;

class KeyPairTest : public ::testing::Test {
 protected:
  // Writes a file of this test and returns its path.
  static std::string Write(const std::string& name, const std::string& content) {
    const std::string path = ::testing::TempDir() + "/" + name;
    EXPECT_TRUE(WriteFile(path, content).ok());
    return path;
  }

  const TestAuthority authority_{"an authority"};
  const IssuedCertificate issued_ = authority_.Issue({.name = "server"});
  const std::string certificate_ = Write("certificate.pem", issued_.certificate + authority_.certificate());
  const std::string key_ = Write("key.pem", issued_.key);
};

TEST_F(KeyPairTest, ReadsAChainAndItsKey) {
  const auto pair = ReadKeyPair(certificate_, key_);
  ASSERT_TRUE(pair.ok()) << pair.status();
  EXPECT_EQ(pair->certificate_chain, issued_.certificate + authority_.certificate());
  EXPECT_EQ(pair->private_key, issued_.key);
  EXPECT_LT(absl::AbsDuration(pair->not_after - (absl::Now() + absl::Hours(1))), absl::Minutes(1));
}

TEST_F(KeyPairTest, RefusesAKeyOfAnotherCertificate) {
  const std::string other = Write("other.pem", authority_.Issue({.name = "other"}).key);
  const auto pair = ReadKeyPair(certificate_, other);
  EXPECT_EQ(pair.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(pair.status().message(),
              HasSubstr("--tls-key is " + other + ", which is not the key of the certificate in --tls-cert"));
}

TEST_F(KeyPairTest, RefusesFilesThatHoldSomethingElse) {
  const std::string text = Write("text.pem", "no PEM\n");
  const std::string cut = Write("cut.pem", issued_.certificate.substr(0, issued_.certificate.size() / 2));
  const std::string second_is_cut =
      Write("second.pem", issued_.certificate + issued_.certificate.substr(0, issued_.certificate.size() / 2));
  const std::string encrypted =
      Write("encrypted.pem", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n");
  for (const std::string& file : {text, cut, second_is_cut, key_}) {
    EXPECT_THAT(ReadKeyPair(file, key_).status().message(), HasSubstr("--tls-cert is " + file)) << file;
    EXPECT_THAT(ReadAuthorities("--tls-ca", file).status().message(), HasSubstr("--tls-ca is " + file)) << file;
  }
  for (const std::string& file : {text, certificate_, encrypted}) {
    EXPECT_THAT(ReadKeyPair(certificate_, file).status().message(), HasSubstr("--tls-key is " + file)) << file;
  }
}

TEST_F(KeyPairTest, NamesAFileThatIsMissing) {
  for (const auto& status :
       {ReadKeyPair("/no/such.pem", key_).status(), ReadKeyPair(certificate_, "/no/such.pem").status(),
        ReadAuthorities("--tls-ca", "/no/such.pem").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("/no/such.pem"));
  }
}

}  // namespace
}  // namespace greenplan
