#include "planner/convert/digest.h"

#include <array>
#include <bit>
#include <cstdint>

#include "absl/base/internal/raw_logging.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "openssl/evp.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

// Looking an algorithm up takes longer than the digest of a small plan.
const EVP_MD* Sha256() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

void AppendUint(std::string& bytes, uint64_t value, int num_bytes) {
  for (int i = 0; i < num_bytes; ++i) bytes.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

}  // namespace

std::string Sha256Hex(absl::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash;
  unsigned int size = 0;
  const int ok = EVP_Digest(bytes.data(), bytes.size(), hash.data(), &size, Sha256(), nullptr);
  ABSL_RAW_CHECK(ok == 1, "libcrypto has no SHA-256");
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash.data()), size));
}

std::string ProfileDigest(const v1::ModelProfile& profile) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    profile.SerializeToCodedStream(&coded);
  }
  return Sha256Hex(bytes);
}

absl::Status CheckProfileDigest(absl::string_view field, absl::string_view digest, absl::string_view profile_digest) {
  if (digest == profile_digest) return absl::OkStatus();
  return WithField(absl::FailedPreconditionError(
                       absl::StrCat(field, " is \"", digest, "\"; the profile's digest is ", profile_digest)),
                   field);
}

std::string PlanDigest(const v1::Plan& plan) {
  std::string bytes;
  AppendUint(bytes, plan.profile_digest().size(), 8);
  bytes += plan.profile_digest();
  AppendUint(bytes, static_cast<uint32_t>(plan.method()), 4);
  AppendUint(bytes, plan.trainable().size(), 8);
  bytes += plan.trainable();
  AppendUint(bytes, plan.drop_rates_size(), 8);
  for (double rate : plan.drop_rates()) AppendUint(bytes, std::bit_cast<uint64_t>(rate), 8);
  return Sha256Hex(bytes);
}

}  // namespace greenplan
