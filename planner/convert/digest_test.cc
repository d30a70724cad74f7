#include "planner/convert/digest.h"

#include <cmath>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "planner/convert/test_messages.h"

namespace greenplan {
namespace {

TEST(DigestTest, Sha256OfKnownText) {
  EXPECT_EQ(Sha256Hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(DigestTest, ProfileDigestIsThatOfItsBinaryForm) {
  EXPECT_EQ(ProfileDigest(SmallProfile()), Sha256Hex(SmallProfile().SerializeAsString()));
}

// The bytes as the header lays them out, written by hand.
TEST(DigestTest, PlanDigestIsOfTheDocumentedBytes) {
  const auto plan = ParseText<v1::Plan>(R"pb(profile_digest: "ab"
                                             method: METHOD_DROP
                                             trainable: "\x05"
                                             drop_rates: [ 1, 0.5 ])pb");
  const char bytes[] =
      "\x02\0\0\0\0\0\0\0"
      "ab"
      "\x03\0\0\0"
      "\x01\0\0\0\0\0\0\0"
      "\x05"
      "\x02\0\0\0\0\0\0\0"
      "\0\0\0\0\0\0\xf0\x3f"
      "\0\0\0\0\0\0\xe0\x3f";
  EXPECT_EQ(PlanDigest(plan), Sha256Hex(absl::string_view(bytes, sizeof(bytes) - 1)));
}

TEST(DigestTest, PlanDigestTellsPlansApartByWhatRanksDo) {
  const auto plan =
      ParseText<v1::Plan>(R"pb(profile_digest: "a" method: METHOD_SELECTION trainable: "\x05" drop_rates: 0.5)pb");
  std::set<std::string> digests = {PlanDigest(plan)};
  v1::Plan other = plan;
  other.set_profile_digest("b");
  digests.insert(PlanDigest(other));
  other = plan;
  other.set_method(v1::METHOD_JOINT);
  digests.insert(PlanDigest(other));
  other = plan;
  other.set_trainable("\x07");
  digests.insert(PlanDigest(other));
  other = plan;
  other.set_drop_rates(0, std::nextafter(0.5, 1));
  digests.insert(PlanDigest(other));
  EXPECT_EQ(digests.size(), 5);

  other = plan;
  other.set_name("jobs/x/plans/3");
  other.set_round(3);
  other.set_value(9);
  EXPECT_EQ(PlanDigest(other), PlanDigest(plan));
}

}  // namespace
}  // namespace greenplan
